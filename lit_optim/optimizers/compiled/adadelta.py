from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lit_optim.engine.arguments import check_at_least_0, check_at_most_1
from lit_optim.engine.ops import Decay, Number, add_, add_product_, apply_decay
from lit_optim.engine.rule_optimizer import Counters, Group, RuleOptimizer, RuleSpec


class AdadeltaScalars(NamedTuple):
    """The numbers of `adadelta` at a step."""

    weight_decay: Number
    rho: Number
    one_minus_rho: Number
    eps: Number
    minus_lr: Number


def adadelta(
    p: Tensor, g: Tensor, scratch: Tensor, s: AdadeltaScalars,
    *, square_avg: Tensor, acc_delta: Tensor, decay: Decay,
) -> None:  # fmt: skip
    """Update by Algorithm 1: the step size is the root of past updates over the root of past gradients."""
    g = apply_decay(p, g, s.weight_decay, decay, out=scratch)
    add_product_(square_avg.mul_(s.rho), g, g, s.one_minus_rho)
    delta = (acc_delta + s.eps).sqrt_().div_((square_avg + s.eps).sqrt_()).mul_(g)
    add_product_(acc_delta.mul_(s.rho), delta, delta, s.one_minus_rho)
    add_(p, delta, s.minus_lr)


class Adadelta(RuleOptimizer):
    r"""`torch.optim.Adadelta` in one pass.

    .. math::
        v_t &= \rho v_{t-1} + (1-\rho) g_t^2, \qquad
        \Delta_t = \frac{\sqrt{u_{t-1} + \text{eps}}}{\sqrt{v_t + \text{eps}}}\, g_t \\
        u_t &= \rho u_{t-1} + (1-\rho) \Delta_t^2, \qquad \theta_t = \theta_{t-1} - \text{lr}\, \Delta_t

    Args:
        params: parameters, named parameters or groups of them.
        lr: factor of the step, at least 0; 1 in the paper.
        rho: decay rate of both running averages, in [0, 1].
        eps: added under both roots, at least 0.
        weight_decay: L2, at least 0.
        maximize: ascend.
        compile: run one compiled kernel; otherwise the rule runs in blocks.

    Raises:
        ConfigError: a ValueError, for arguments out of range.

    Example:
        >>> import torch
        >>> p = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = Adadelta([p], rho=0.75, eps=1.0, compile=False)
        >>> p.grad = torch.tensor([2.0])
        >>> optimizer.step(); p.data  # 1 / sqrt(1 + 1) * 2 = 1.4142
        tensor([-0.4142])

    Zeiler 2012, ADADELTA: An Adaptive Learning Rate Method, arXiv:1212.5701, Algorithm 1.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        compile: bool = True,
    ) -> None:
        values = dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
        super().__init__(params, dict(**values, maximize=maximize, compile=compile))

    def check(self, group: dict[str, Any]) -> None:
        """Reject a group with a value that is out of range."""
        check_at_least_0(group, "lr", "eps", "weight_decay")
        check_at_most_1(group, "rho")

    def rule(self, group: Group) -> RuleSpec:
        """Return the rule, with its scalars and its state."""
        return RuleSpec(adadelta, AdadeltaScalars, ("square_avg", "acc_delta"))

    def step_scalars(self, counters: Counters, group: Group, static_args: Group) -> AdadeltaScalars:
        """Return the numbers of the rule at this step."""
        rho = group["rho"]
        return AdadeltaScalars(group["weight_decay"], rho, 1 - rho, group["eps"], -group["lr"])

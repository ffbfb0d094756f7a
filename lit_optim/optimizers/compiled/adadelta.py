from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lit_optim.engine.arguments import check_at_least_0
from lit_optim.engine.ops import Number, add_, add_product_
from lit_optim.engine.rule_optimizer import Numbers, Rule, RuleOptimizer
from lit_optim.engine.weight_decay import Decay, decayed
from lit_optim.errors import ConfigError


def adadelta(
    p: Tensor, g: Tensor, square_avg: Tensor, acc_delta: Tensor, scratch: Tensor, weight_decay: Number,
    rho: Number, rest: Number, eps: Number, minus_lr: Number, *, decay: Decay,
) -> None:  # fmt: skip
    """Algorithm 1: the root of past updates over the root of past gradients is the step size."""
    g = decayed(p, g, weight_decay, decay, out=scratch)
    add_product_(square_avg.mul_(rho), g, g, rest)
    delta = (acc_delta + eps).sqrt_().div_((square_avg + eps).sqrt_()).mul_(g)
    add_product_(acc_delta.mul_(rho), delta, delta, rest)
    add_(p, delta, minus_lr)


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
        compile: off, the rule runs in blocks.

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
        """Refuses a group whose values are out of range."""
        check_at_least_0(group, "lr", "rho", "eps", "weight_decay")
        if group["rho"] > 1:
            raise ConfigError(f"rho={group['rho']}: must be at least 0 and at most 1")

    def rule(self, group: Mapping[str, Any]) -> Rule:
        """The text and its state."""
        return Rule(adadelta, ("square_avg", "acc_delta"))

    def flags(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Without a decay nothing is spent on it."""
        return {"decay": "l2" if group["weight_decay"] else "none"}

    def numbers(self, counters: Mapping[str, float], group: Mapping[str, Any], flags: Mapping[str, Any]) -> Numbers:
        """What the text computes with at this step."""
        rho = group["rho"]
        return group["weight_decay"], rho, 1 - rho, group["eps"], -group["lr"]

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lit_optim.engine.arguments import check_at_least_0, check_at_most_1, check_below_1, check_bools
from lit_optim.engine.ops import Decay, Number, add_, apply_decay, decay_scalar, scaled_sum_
from lit_optim.engine.rule_optimizer import Counters, Group, RuleOptimizer, RuleSpec
from lit_optim.errors import ConfigError


class SGDWScalars(NamedTuple):
    """The numbers of `sgdw` at a step."""

    decay_by: Number
    momentum: Number
    one_minus_dampening: Number
    minus_lr: Number
    minus_lr_momentum: Number


def sgdw(
    p: Tensor, g: Tensor, scratch: Tensor, s: SGDWScalars,
    *, momentum_buffer: Tensor | None = None, nesterov: bool, dampened: bool, decay: Decay,
) -> None:  # fmt: skip
    """Update by SGD, with momentum where there is a buffer; the weights shrink beside it."""
    apply_decay(p, g, s.decay_by, decay, out=scratch)
    if momentum_buffer is None:
        add_(p, g, s.minus_lr)
        return
    if dampened:
        add_(momentum_buffer.mul_(s.momentum), g, s.one_minus_dampening)
    else:
        scaled_sum_(momentum_buffer, g, s.momentum)
    if nesterov:  # lr (g + momentum buffer), without a temporary
        add_(add_(p, g, s.minus_lr), momentum_buffer, s.minus_lr_momentum)
    else:
        add_(p, momentum_buffer, s.minus_lr)


class SGDW(RuleOptimizer):
    r"""SGD with momentum and decoupled weight decay.

    .. math::
        b_1 &= g_1, \qquad b_t = \text{momentum} \cdot b_{t-1} + (1 - \text{dampening})\, g_t \\
        \theta_t &= (1 - \text{lr} \cdot \text{weight\_decay})\, \theta_{t-1} - \text{lr} \cdot
            \begin{cases} g_t + \text{momentum} \cdot b_t & \text{nesterov} \\ b_t & \text{else} \end{cases}

    This is torch's convention: the lr is outside of the momentum, and the decay is scaled by it. The paper has the lr
    inside, which is the same as long as it is constant, and scales the decay by the schedule alone, so that its
    ``weight_decay`` is ours times the initial lr.

    Args:
        params: parameters, named parameters or groups of them.
        lr: absolute learning rate, at least 0.
        momentum: decay rate of the buffer, in [0, 1).
        dampening: how much less than a whole gradient the buffer takes from the second step on, in [0, 1].
        weight_decay: share of the weights, in units of lr, that they lose at each step; at least 0.
        nesterov: look one momentum step ahead; needs a momentum, and no dampening.
        maximize: ascend.
        compile: one compiled kernel, one pass over the memory; takes some seconds at the first step.

    Raises:
        ConfigError: a ValueError, for arguments out of range.

    Example:
        >>> import torch
        >>> p = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = SGDW([p], lr=0.1, momentum=0.9, weight_decay=0.5)
        >>> p.grad = torch.tensor([2.0])
        >>> optimizer.step(); p.data  # 0.95 - 0.1 * 2
        tensor([0.7500])

    Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization, arXiv:1711.05101, Algorithm 1.
    """

    decay: ClassVar[Decay] = "decoupled"

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0.9,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        compile: bool = False,
    ) -> None:
        values = dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov)
        super().__init__(params, dict(**values, maximize=maximize, compile=compile))

    def check(self, group: dict[str, Any]) -> None:
        """Reject a group with a value that is out of range."""
        check_at_least_0(group, "lr", "weight_decay")
        check_at_most_1(group, "dampening")
        check_below_1(group, "momentum")
        check_bools(group, "nesterov")
        if group["nesterov"] and not group["momentum"]:
            raise ConfigError("nesterov=True: looks a momentum step ahead, and momentum is 0; set it, 0.9 say")
        if group["nesterov"] and group["dampening"]:
            raise ConfigError(f"dampening={group['dampening']}: must be 0 with nesterov=True")

    def rule(self, group: Group) -> RuleSpec:
        """Return the rule, with its scalars and its state."""
        return RuleSpec(sgdw, SGDWScalars, ("momentum_buffer",) if group["momentum"] else ())

    def static_args(self, group: Group) -> dict[str, Any]:
        """Return the constants that the rule is specialised on."""
        return {**super().static_args(group), "nesterov": group["nesterov"], "dampened": group["dampening"] > 0}

    def step_scalars(self, counters: Counters, group: Group, static_args: Group) -> SGDWScalars:
        """Return the numbers of the rule at this step."""
        lr, momentum = group["lr"], group["momentum"]
        decay_by = decay_scalar(static_args["decay"], lr, group["weight_decay"])
        one_minus_dampening = 1 - group["dampening"] if counters["step"] > 1 else 1.0  # the first buffer is g
        return SGDWScalars(decay_by, momentum, one_minus_dampening, -lr, -lr * momentum)

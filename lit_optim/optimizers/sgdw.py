from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lit_optim.engine.arguments import check_at_least_0, check_below_1, check_bools
from lit_optim.engine.ops import Number, add_, scaled_sum_
from lit_optim.engine.rule_optimizer import Numbers, Rule, RuleOptimizer
from lit_optim.engine.weight_decay import Decay, decay_number, decayed
from lit_optim.errors import ConfigError


def sgdw(
    p: Tensor, g: Tensor, momentum_buffer: Tensor, scratch: Tensor,
    decay_by: Number, momentum: Number, rest: Number, minus_lr: Number, minus_lr_momentum: Number,
    *, nesterov: bool, dampened: bool, decay: Decay,
) -> None:  # fmt: skip
    """SGD with momentum; the weights shrink beside it."""
    decayed(p, g, decay_by, decay, out=scratch)
    if dampened:
        add_(momentum_buffer.mul_(momentum), g, rest)
    else:
        scaled_sum_(momentum_buffer, g, momentum)
    if nesterov:  # lr (g + momentum buffer), without a temporary
        add_(add_(p, g, minus_lr), momentum_buffer, minus_lr_momentum)
    else:
        add_(p, momentum_buffer, minus_lr)


def sgdw_plain(
    p: Tensor, g: Tensor, scratch: Tensor, decay_by: Number, minus_lr: Number,
    *, nesterov: bool, dampened: bool, decay: Decay,
) -> None:  # fmt: skip
    """Without momentum, and its memory."""
    decayed(p, g, decay_by, decay, out=scratch)
    add_(p, g, minus_lr)


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
        """Refuses a group whose values are out of range."""
        check_at_least_0(group, "lr", "dampening", "weight_decay")
        check_below_1(group, "momentum")
        check_bools(group, "nesterov")
        if group["nesterov"] and not group["momentum"]:
            raise ConfigError("nesterov=True: looks a momentum step ahead, and momentum is 0; set it, 0.9 say")
        if group["dampening"] > 1:
            raise ConfigError(f"dampening={group['dampening']}: must be at least 0 and at most 1")
        if group["nesterov"] and group["dampening"]:
            raise ConfigError(f"dampening={group['dampening']}: must be 0 with nesterov=True")

    def rule(self, group: Mapping[str, Any]) -> Rule:
        """The text and its state."""
        return Rule(sgdw, ("momentum_buffer",)) if group["momentum"] else Rule(sgdw_plain, ())

    def flags(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Without a decay nothing is spent on it."""
        decay = "decoupled" if group["weight_decay"] else "none"
        return {"nesterov": group["nesterov"], "dampened": group["dampening"] > 0, "decay": decay}

    def numbers(self, counters: Mapping[str, float], group: Mapping[str, Any], flags: Mapping[str, Any]) -> Numbers:
        """What the text computes with at this step."""
        lr, momentum = group["lr"], group["momentum"]
        decay_by = decay_number(flags["decay"], lr, group["weight_decay"])
        if not momentum:
            return decay_by, -lr
        rest = 1 - group["dampening"] if counters["step"] > 1 else 1.0  # the first buffer is the gradient
        return decay_by, momentum, rest, -lr, -lr * momentum

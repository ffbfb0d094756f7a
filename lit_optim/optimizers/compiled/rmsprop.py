from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lit_optim.engine.arguments import check_at_least_0, check_at_most_1, check_bools
from lit_optim.engine.ops import Decay, Number, add_, add_product_, add_quotient_, apply_decay, average_
from lit_optim.engine.rule_optimizer import Counters, Group, RuleOptimizer, RuleSpec


class RMSpropScalars(NamedTuple):
    """The numbers of `rmsprop` at a step."""

    weight_decay: Number
    alpha: Number
    one_minus_alpha: Number
    eps: Number
    momentum: Number
    minus_lr: Number


def rmsprop(
    p: Tensor, g: Tensor, scratch: Tensor, s: RMSpropScalars,
    *, square_avg: Tensor, grad_avg: Tensor | None = None, momentum_buffer: Tensor | None = None, decay: Decay,
) -> None:  # fmt: skip
    """Update by the gradient over the root of its running square; centered, over its running standard deviation."""
    g = apply_decay(p, g, s.weight_decay, decay, out=scratch)
    add_product_(square_avg.mul_(s.alpha), g, g, s.one_minus_alpha)
    if grad_avg is None:
        root = square_avg.sqrt().add_(s.eps)
    else:
        average_(grad_avg, g, s.alpha, s.one_minus_alpha)
        root = square_avg.addcmul(grad_avg, grad_avg, value=-1).sqrt_().add_(s.eps)
    if momentum_buffer is None:
        add_quotient_(p, g, root, s.minus_lr)
    else:
        add_(p, momentum_buffer.mul_(s.momentum).addcdiv_(g, root), s.minus_lr)


class RMSprop(RuleOptimizer):
    r"""`torch.optim.RMSprop` in one pass.

    .. math::
        v_t &= \alpha v_{t-1} + (1-\alpha) g_t^2, \qquad
        a_t = \alpha a_{t-1} + (1-\alpha) g_t \quad (\text{centered, else } 0) \\
        b_t &= \text{momentum} \cdot b_{t-1} + g_t / (\sqrt{v_t - a_t^2} + \text{eps}), \qquad
        \theta_t = \theta_{t-1} - \text{lr}\, b_t

    Args:
        params: parameters, named parameters or groups of them.
        lr: absolute learning rate, at least 0.
        alpha: decay rate of the running averages, in [0, 1].
        eps: added to the root, at least 0.
        weight_decay: L2, at least 0.
        momentum: decay rate of the buffer, at least 0.
        centered: divide by the standard deviation instead of the root mean square.
        maximize: ascend.
        compile: run one compiled kernel; otherwise the rule runs in blocks.

    Raises:
        ConfigError: a ValueError, for arguments out of range.

    Example:
        >>> import torch
        >>> p = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = RMSprop([p], lr=0.1, alpha=0.75, compile=False)
        >>> p.grad = torch.tensor([2.0])
        >>> optimizer.step(); p.data  # 2 / sqrt(0.25 * 4) = 2
        tensor([0.8000])

    Tieleman & Hinton 2012, lecture 6.5 of Neural Networks for Machine Learning; centered: Graves 2013, arXiv:1308.0850.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
        compile: bool = True,
    ) -> None:
        values = dict(lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered)
        super().__init__(params, dict(**values, maximize=maximize, compile=compile))

    def check(self, group: dict[str, Any]) -> None:
        """Reject a group with a value that is out of range."""
        check_at_least_0(group, "lr", "eps", "weight_decay", "momentum")
        check_at_most_1(group, "alpha")
        check_bools(group, "centered")

    def rule(self, group: Group) -> RuleSpec:
        """Return the rule, with its scalars and its state."""
        optional = {"grad_avg": group["centered"], "momentum_buffer": group["momentum"] > 0}
        names = ("square_avg", *(name for name, is_used in optional.items() if is_used))
        return RuleSpec(rmsprop, RMSpropScalars, names)

    def step_scalars(self, counters: Counters, group: Group, static_args: Group) -> RMSpropScalars:
        """Return the numbers of the rule at this step."""
        alpha = group["alpha"]
        return RMSpropScalars(group["weight_decay"], alpha, 1 - alpha, group["eps"], group["momentum"], -group["lr"])

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lit_optim.engine.arguments import check_at_least_0, check_bools
from lit_optim.engine.ops import Number, add_, add_product_, add_quotient_, average_
from lit_optim.engine.rule_optimizer import Numbers, Rule, RuleOptimizer
from lit_optim.engine.weight_decay import Decay, decayed
from lit_optim.errors import ConfigError


def rmsprop(
    p: Tensor, g: Tensor, square_avg: Tensor, scratch: Tensor, weight_decay: Number,
    alpha: Number, rest: Number, eps: Number, momentum: Number, minus_lr: Number, *, decay: Decay,
) -> None:  # fmt: skip
    """The gradient over the root of its running square."""
    g = decayed(p, g, weight_decay, decay, out=scratch)
    add_product_(square_avg.mul_(alpha), g, g, rest)
    add_quotient_(p, g, square_avg.sqrt().add_(eps), minus_lr)


def rmsprop_momentum(
    p: Tensor, g: Tensor, square_avg: Tensor, momentum_buffer: Tensor, scratch: Tensor, weight_decay: Number,
    alpha: Number, rest: Number, eps: Number, momentum: Number, minus_lr: Number, *, decay: Decay,
) -> None:  # fmt: skip
    """The same, with the quotient in a momentum buffer."""
    g = decayed(p, g, weight_decay, decay, out=scratch)
    add_product_(square_avg.mul_(alpha), g, g, rest)
    momentum_buffer.mul_(momentum).addcdiv_(g, square_avg.sqrt().add_(eps))
    add_(p, momentum_buffer, minus_lr)


def rmsprop_centered(
    p: Tensor, g: Tensor, square_avg: Tensor, grad_avg: Tensor, scratch: Tensor, weight_decay: Number,
    alpha: Number, rest: Number, eps: Number, momentum: Number, minus_lr: Number, *, decay: Decay,
) -> None:  # fmt: skip
    """The gradient over its running standard deviation."""
    g = decayed(p, g, weight_decay, decay, out=scratch)
    add_product_(square_avg.mul_(alpha), g, g, rest)
    average_(grad_avg, g, alpha, rest)
    add_quotient_(p, g, square_avg.addcmul(grad_avg, grad_avg, value=-1).sqrt_().add_(eps), minus_lr)


def rmsprop_centered_momentum(
    p: Tensor, g: Tensor, square_avg: Tensor, grad_avg: Tensor, momentum_buffer: Tensor, scratch: Tensor,
    weight_decay: Number, alpha: Number, rest: Number, eps: Number, momentum: Number, minus_lr: Number, *, decay: Decay,
) -> None:  # fmt: skip
    """Both."""
    g = decayed(p, g, weight_decay, decay, out=scratch)
    add_product_(square_avg.mul_(alpha), g, g, rest)
    average_(grad_avg, g, alpha, rest)
    root = square_avg.addcmul(grad_avg, grad_avg, value=-1).sqrt_().add_(eps)
    momentum_buffer.mul_(momentum).addcdiv_(g, root)
    add_(p, momentum_buffer, minus_lr)


RULES = {
    (False, False): Rule(rmsprop, ("square_avg",)),
    (False, True): Rule(rmsprop_momentum, ("square_avg", "momentum_buffer")),
    (True, False): Rule(rmsprop_centered, ("square_avg", "grad_avg")),
    (True, True): Rule(rmsprop_centered_momentum, ("square_avg", "grad_avg", "momentum_buffer")),
}


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
        compile: off, the rule runs in blocks.

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
        """Refuses a group whose values are out of range."""
        check_at_least_0(group, "lr", "alpha", "eps", "weight_decay", "momentum")
        check_bools(group, "centered")
        if group["alpha"] > 1:
            raise ConfigError(f"alpha={group['alpha']}: must be at least 0 and at most 1")

    def rule(self, group: Mapping[str, Any]) -> Rule:
        """The text and its state."""
        return RULES[group["centered"], group["momentum"] > 0]

    def flags(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Without a decay nothing is spent on it."""
        return {"decay": "l2" if group["weight_decay"] else "none"}

    def numbers(self, counters: Mapping[str, float], group: Mapping[str, Any], flags: Mapping[str, Any]) -> Numbers:
        """What the text computes with at this step."""
        alpha = group["alpha"]
        return group["weight_decay"], alpha, 1 - alpha, group["eps"], group["momentum"], -group["lr"]

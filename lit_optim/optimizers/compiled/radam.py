from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lit_optim.engine.arguments import check_at_least_0, check_betas, check_bools
from lit_optim.engine.ops import Number, add_product_, average_
from lit_optim.engine.rule_optimizer import Numbers, Rule, RuleOptimizer
from lit_optim.engine.weight_decay import Decay, decay_number, decayed


def radam(
    p: Tensor, g: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor, scratch: Tensor, decay_by: Number,
    beta1: Number, rest1: Number, beta2: Number, rest2: Number,
    adaptive: Number, eps: Number, plain: Number, *, decay: Decay,
) -> None:  # fmt: skip
    """``p = p - (adaptive / (sqrt(v) + eps) + plain) m``; of the two sizes one is 0."""
    g = decayed(p, g, decay_by, decay, out=scratch)
    average_(exp_avg, g, beta1, rest1)
    add_product_(exp_avg_sq.mul_(beta2), g, g, rest2)
    size = torch.sqrt(exp_avg_sq, out=scratch).add_(eps).reciprocal_().mul_(adaptive).add_(plain)
    p.addcmul_(size, exp_avg, value=-1)


def rectification(step: float, beta2: float) -> float | None:
    """The factor r of a step; None where the variance of the second moment is not tractable yet (torch: rho <= 5).

    Example:
        >>> rectification(5, 0.999) is None, round(rectification(6, 0.999), 4)
        (True, 0.0258)
    """
    longest = 2 / (1 - beta2) - 1
    rho = longest - 2 * step * beta2**step / (1 - beta2**step)
    if rho <= 5:
        return None
    return math.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))


class RAdam(RuleOptimizer):
    r"""`torch.optim.RAdam` in one pass.

    .. math::
        \rho_\infty &= 2 / (1 - \beta_2) - 1, \qquad
        \rho_t = \rho_\infty - 2 t \beta_2^t / (1 - \beta_2^t) \\
        r_t &= \sqrt{\frac{(\rho_t - 4)(\rho_t - 2) \rho_\infty}{(\rho_\infty - 4)(\rho_\infty - 2) \rho_t}} \\
        \theta_t &= \theta_{t-1} - \text{lr}\, \hat m_t \cdot
            \begin{cases} r_t \sqrt{1-\beta_2^t} / (\sqrt{v_t} + \text{eps}) & \rho_t > 5 \\ 1 & \text{else} \end{cases}

    The first steps, without rectification, are momentum SGD with Adam's lr: they are not scale-free.

    Args:
        params: parameters, named parameters or groups of them.
        lr: absolute learning rate, at least 0.
        betas: decay rates of the running averages of the gradient and of its square, in [0, 1).
        eps: added to the root, at least 0.
        weight_decay: at least 0.
        decoupled_weight_decay: take the decay from the weights instead of adding it to the gradient.
        maximize: ascend.
        compile: off, the rule runs in blocks.

    Raises:
        ConfigError: a ValueError, for arguments out of range.

    Example:
        >>> p = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = RAdam([p], lr=0.1, compile=False)
        >>> p.grad = torch.tensor([2.0])
        >>> optimizer.step(); p.data  # plain: m / (1 - beta1) = g
        tensor([0.8000])

    Liu et al. 2020, On the Variance of the Adaptive Learning Rate and Beyond, arXiv:1908.03265, Algorithm 2; with
    torch's bound of 5 (the paper has 4).
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        compile: bool = True,
    ) -> None:
        values = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
        values["decoupled_weight_decay"] = decoupled_weight_decay
        super().__init__(params, dict(**values, maximize=maximize, compile=compile))

    def check(self, group: dict[str, Any]) -> None:
        """Refuses a group whose values are out of range."""
        check_at_least_0(group, "lr", "eps", "weight_decay")
        check_betas(group)
        check_bools(group, "decoupled_weight_decay")

    def rule(self, group: Mapping[str, Any]) -> Rule:
        """The text and its state."""
        return Rule(radam, ("exp_avg", "exp_avg_sq"))

    def flags(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Without a decay nothing is spent on it."""
        kind = "decoupled" if group["decoupled_weight_decay"] else "l2"
        return {"decay": kind if group["weight_decay"] else "none"}

    def numbers(self, counters: Mapping[str, float], group: Mapping[str, Any], flags: Mapping[str, Any]) -> Numbers:
        """What the text computes with at this step."""
        step = counters["step"]
        lr, (beta1, beta2) = group["lr"], group["betas"]
        r = rectification(step, beta2)
        size = lr / (1 - beta1**step)
        adaptive, plain = (0 * size, size) if r is None else (size * r * math.sqrt(1 - beta2**step), 0 * size)
        decay_by = decay_number(flags["decay"], lr, group["weight_decay"])
        return decay_by, beta1, 1 - beta1, beta2, 1 - beta2, adaptive, group["eps"], plain

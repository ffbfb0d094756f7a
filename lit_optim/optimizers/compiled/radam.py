from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lit_optim.engine.arguments import check_at_least_0, check_betas, check_bools
from lit_optim.engine.ops import Decay, Number
from lit_optim.engine.rule_optimizer import Counters, Group, RuleOptimizer, RuleSpec
from lit_optim.optimizers.adam_rules import MOMENTS, moment_scalars, update_moments


class RAdamScalars(NamedTuple):
    """The numbers of `radam` at a step."""

    decay_by: Number
    beta1: Number
    one_minus_beta1: Number
    beta2: Number
    one_minus_beta2: Number
    adaptive_size: Number
    eps: Number
    unrectified_size: Number


def radam(
    p: Tensor, g: Tensor, scratch: Tensor, s: RAdamScalars, *, exp_avg: Tensor, exp_avg_sq: Tensor, decay: Decay
) -> None:
    """Update ``p = p - (adaptive_size / (sqrt(v) + eps) + unrectified_size) m``; one of the two sizes is 0."""
    _, v = update_moments(p, g, scratch, s, exp_avg, exp_avg_sq, None, decay)
    size = torch.sqrt(v, out=scratch).add_(s.eps).reciprocal_().mul_(s.adaptive_size).add_(s.unrectified_size)
    p.addcmul_(size, exp_avg, value=-1)


def rectification(step: float, beta2: float) -> float | None:
    """Return the factor r of a step; None while the variance of the second moment is not tractable (torch: rho <= 5).

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
        m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t, \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2, \qquad
            \hat m_t = m_t / (1-\beta_1^t) \\
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
        compile: run one compiled kernel; otherwise the rule runs in blocks.

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
        """Reject a group with a value that is out of range."""
        check_at_least_0(group, "lr", "eps", "weight_decay")
        check_betas(group)
        check_bools(group, "decoupled_weight_decay")

    def rule(self, group: Group) -> RuleSpec:
        """Return the rule, with its scalars and its state."""
        return RuleSpec(radam, RAdamScalars, MOMENTS)

    def step_scalars(self, counters: Counters, group: Group, static_args: Group) -> RAdamScalars:
        """Return the numbers of the rule at this step."""
        step = counters["step"]
        lr, (beta1, beta2) = group["lr"], group["betas"]
        r = rectification(step, beta2)
        size = lr / (1 - beta1**step)
        adaptive, unrectified = (0 * size, size) if r is None else (size * r * math.sqrt(1 - beta2**step), 0 * size)
        moments = moment_scalars(group, static_args["decay"])
        return RAdamScalars(*moments, adaptive_size=adaptive, eps=group["eps"], unrectified_size=unrectified)

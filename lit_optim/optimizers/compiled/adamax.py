from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lit_optim.engine.arguments import check_at_least_0, check_betas
from lit_optim.engine.ops import Decay, Number, add_quotient_, apply_decay, average_
from lit_optim.engine.rule_optimizer import Counters, Group, RuleOptimizer, RuleSpec


class AdamaxScalars(NamedTuple):
    """The numbers of `adamax` at a step."""

    weight_decay: Number
    beta1: Number
    one_minus_beta1: Number
    beta2: Number
    eps: Number
    minus_step_size: Number


def adamax(
    p: Tensor, g: Tensor, scratch: Tensor, s: AdamaxScalars, *, exp_avg: Tensor, exp_inf: Tensor, decay: Decay
) -> None:
    """Update by Algorithm 2: Adam with the infinity norm."""
    g = apply_decay(p, g, s.weight_decay, decay, out=scratch)
    average_(exp_avg, g, s.beta1, s.one_minus_beta1)
    torch.maximum(exp_inf.mul_(s.beta2), torch.abs(g, out=scratch).add_(s.eps), out=exp_inf)
    add_quotient_(p, exp_avg, exp_inf, s.minus_step_size)


class Adamax(RuleOptimizer):
    r"""`torch.optim.Adamax` in one pass.

    .. math::
        m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t, \qquad u_t = \max(\beta_2 u_{t-1},\; |g_t| + \text{eps}) \\
        \theta_t &= \theta_{t-1} - \frac{\text{lr}}{1 - \beta_1^t} \frac{m_t}{u_t}

    Args:
        params: parameters, named parameters or groups of them.
        lr: absolute learning rate, at least 0.
        betas: decay rates of the running average and of the running maximum of the gradient, in [0, 1).
        eps: added to the gradient's absolute value, at least 0.
        weight_decay: L2, at least 0.
        maximize: ascend.
        compile: run one compiled kernel; otherwise the rule runs in blocks.

    Raises:
        ConfigError: a ValueError, for arguments out of range.

    Example:
        >>> p = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = Adamax([p], lr=0.1, compile=False)
        >>> p.grad = torch.tensor([2.0])
        >>> optimizer.step(); p.data
        tensor([0.9000])

    Kingma & Ba 2015, Adam: A Method for Stochastic Optimization, arXiv:1412.6980, Algorithm 2.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        compile: bool = True,
    ) -> None:
        values = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
        super().__init__(params, dict(**values, maximize=maximize, compile=compile))

    def check(self, group: dict[str, Any]) -> None:
        """Reject a group with a value that is out of range."""
        check_at_least_0(group, "lr", "eps", "weight_decay")
        check_betas(group)

    def rule(self, group: Group) -> RuleSpec:
        """Return the rule, with its scalars and its state."""
        return RuleSpec(adamax, AdamaxScalars, ("exp_avg", "exp_inf"))

    def step_scalars(self, counters: Counters, group: Group, static_args: Group) -> AdamaxScalars:
        """Return the numbers of the rule at this step."""
        beta1, beta2 = group["betas"]
        minus_step_size = group["lr"] * (-1 / (1 - beta1 ** counters["step"]))
        return AdamaxScalars(group["weight_decay"], beta1, 1 - beta1, beta2, group["eps"], minus_step_size)

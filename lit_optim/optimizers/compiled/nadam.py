from __future__ import annotations

import math
from typing import Any, ClassVar, NamedTuple

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lit_optim.engine.arguments import check_at_least_0, check_betas, check_bools
from lit_optim.engine.ops import Decay, Number, add_quotient_
from lit_optim.engine.rule_optimizer import Counters, Group, RuleOptimizer, RuleSpec
from lit_optim.optimizers.adam_rules import MOMENTS, moment_scalars, update_moments


class NAdamScalars(NamedTuple):
    """The numbers of `nadam` at a step."""

    decay_by: Number
    beta1: Number
    one_minus_beta1: Number
    beta2: Number
    one_minus_beta2: Number
    bias_root: Number
    eps: Number
    g_factor: Number
    exp_avg_factor: Number


def nadam(
    p: Tensor, g: Tensor, scratch: Tensor, s: NAdamScalars, *, exp_avg: Tensor, exp_avg_sq: Tensor, decay: Decay
) -> None:
    """Update by Adam with Nesterov momentum: the gradient enters beside its average."""
    g, v = update_moments(p, g, scratch, s, exp_avg, exp_avg_sq, None, decay)
    denominator = v.sqrt().div_(s.bias_root).add_(s.eps)
    add_quotient_(p, g, denominator, s.g_factor)
    add_quotient_(p, exp_avg, denominator, s.exp_avg_factor)


class NAdam(RuleOptimizer):
    r"""`torch.optim.NAdam` in one pass.

    .. math::
        m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t, \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2, \qquad
            \hat v_t = v_t / (1-\beta_2^t) \\
        \mu_t &= \beta_1 \big(1 - \tfrac12 0.96^{t \psi}\big), \quad \psi = \text{momentum\_decay} \\
        \theta_t &= \theta_{t-1} - \frac{\text{lr}}{\sqrt{\hat v_t} + \text{eps}} \Big(
            \frac{(1-\mu_t) g_t}{1 - \prod_{i=1}^{t} \mu_i} + \frac{\mu_{t+1} m_t}{1 - \prod_{i=1}^{t+1} \mu_i} \Big)

    Args:
        params: parameters, named parameters or groups of them.
        lr: absolute learning rate, at least 0.
        betas: decay rates of the running averages of the gradient and of its square, in [0, 1).
        eps: added to the root, at least 0.
        weight_decay: at least 0.
        momentum_decay: how fast the momentum grows to its full value, at least 0.
        decoupled_weight_decay: NAdamW: take the decay from the weights instead of adding it to the gradient.
        maximize: ascend.
        compile: run one compiled kernel; otherwise the rule runs in blocks.

    Raises:
        ConfigError: a ValueError, for arguments out of range.

    Example:
        >>> import torch
        >>> p = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = NAdam([p], lr=0.1, betas=(0.0, 0.999), compile=False)
        >>> p.grad = torch.tensor([2.0])
        >>> optimizer.step(); p.data  # without momentum: the sign of the gradient
        tensor([0.9000])

    Dozat 2016, Incorporating Nesterov Momentum into Adam, ICLR workshop; with torch's reading: a constant beta1 in m.
    """

    counters: ClassVar[dict[str, float]] = {"step": 0.0, "mu_product": 1.0}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        compile: bool = True,
    ) -> None:
        values = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        values["decoupled_weight_decay"] = decoupled_weight_decay
        super().__init__(params, dict(**values, maximize=maximize, compile=compile))

    def check(self, group: dict[str, Any]) -> None:
        """Reject a group with a value that is out of range."""
        check_at_least_0(group, "lr", "eps", "weight_decay", "momentum_decay")
        check_betas(group)
        check_bools(group, "decoupled_weight_decay")

    def rule(self, group: Group) -> RuleSpec:
        """Return the rule, with its scalars and its state."""
        return RuleSpec(nadam, NAdamScalars, MOMENTS)

    def advance(self, counters: Counters, group: Group) -> dict[str, float]:
        """Count one more step, and multiply the product by its momentum."""
        step = counters["step"] + 1
        return {"step": step, "mu_product": counters["mu_product"] * mu(step, group)}

    def step_scalars(self, counters: Counters, group: Group, static_args: Group) -> NAdamScalars:
        """Return the numbers of the rule at this step."""
        step, mu_product = counters["step"], counters["mu_product"]
        lr, next_mu = group["lr"], mu(step + 1, group)
        return NAdamScalars(
            *moment_scalars(group, static_args["decay"]),
            bias_root=math.sqrt(1 - group["betas"][1] ** step),
            eps=group["eps"],
            g_factor=lr * (-(1 - mu(step, group)) / (1 - mu_product)),
            exp_avg_factor=lr * (-next_mu / (1 - mu_product * next_mu)),
        )


def mu(step: float, group: Group) -> float:
    """Return the momentum of a step.

    Example:
        >>> round(mu(1, {"betas": (0.9, 0.999), "momentum_decay": 0.0}), 3)
        0.45
    """
    return float(group["betas"][0] * (1 - 0.5 * 0.96 ** (step * group["momentum_decay"])))

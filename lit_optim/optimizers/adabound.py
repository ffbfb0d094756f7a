from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lit_optim.engine.arguments import check_above_0, check_at_least_0, check_betas, check_bools
from lit_optim.engine.ops import Decay, Number, add_quotient_
from lit_optim.engine.rule_optimizer import Counters, Group, RuleOptimizer, RuleSpec
from lit_optim.errors import ConfigError
from lit_optim.optimizers.adam_rules import MAX_MOMENTS, MOMENTS, moment_scalars, update_moments


class AdaBoundScalars(NamedTuple):
    """The numbers of `adabound` at a step."""

    decay_by: Number
    beta1: Number
    one_minus_beta1: Number
    beta2: Number
    one_minus_beta2: Number
    minus_step_size: Number
    eps: Number
    min_divisor: Number
    max_divisor: Number


def adabound(
    p: Tensor, g: Tensor, scratch: Tensor, s: AdaBoundScalars,
    *, exp_avg: Tensor, exp_avg_sq: Tensor, max_exp_avg_sq: Tensor | None = None, decay: Decay,
) -> None:  # fmt: skip
    """Update by Algorithm 2, or 3 with the largest second moment: Adam's step size per element is clipped.

    Instead of the quotient its divisor is clipped, between the step size over the upper bound and over the lower one.
    """
    g, v = update_moments(p, g, scratch, s, exp_avg, exp_avg_sq, max_exp_avg_sq, decay)
    divisor = torch.sqrt(v, out=scratch).add_(s.eps)
    divisor.clamp_(s.min_divisor, s.max_divisor)  # type: ignore[arg-type]  # both are numbers, or both tensors
    add_quotient_(p, exp_avg, divisor, s.minus_step_size)


class AdaBound(RuleOptimizer):
    r"""Adam that becomes SGD: the step size of each element is clipped between two bounds that close in on each other.

    .. math::
        m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t, \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \\
        f &= \text{final\_lr} \cdot \text{lr} / \text{base\_lr} \\
        \eta_t &= \mathrm{clip}\Big(\frac{\text{lr} \sqrt{1-\beta_2^t}/(1-\beta_1^t)}{\sqrt{v_t} + \text{eps}},\;
            f \big(1 - \tfrac{1}{\gamma t + 1}\big),\; f \big(1 + \tfrac{1}{\gamma t}\big)\Big) \\
        \theta_t &= \theta_{t-1} - \eta_t m_t

    This is the authors' code. Their paper divides eta by sqrt(t) besides; with the code's reading the last step is that
    of SGD with ``final_lr``. ``base_lr`` is the lr a group begins with and is kept in the group, so that both bounds
    follow a schedule, also in groups that are added later and in a resumed run.

    Args:
        params: parameters, named parameters or groups of them.
        lr: absolute learning rate of Adam's phase, at least 0.
        betas: decay rates of the running averages of the gradient and of its square, in [0, 1).
        final_lr: absolute learning rate of SGD that both bounds close in on, above 0.
        gamma: how fast they do; after 1 / gamma steps the upper one is at twice ``final_lr``; above 0.
        eps: added to the denominator, at least 0.
        weight_decay: L2: ``weight_decay * weight`` is added to the gradient; at least 0.
        amsbound: divide by the largest ``v`` so far (AMSBound).
        maximize: ascend.
        compile: one compiled kernel, one pass over the memory; takes some seconds at the first step.

    Raises:
        ConfigError: a ValueError, for arguments out of range.

    Example:
        >>> p = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = AdaBound([p], lr=0.1)
        >>> p.grad = torch.tensor([2.0])
        >>> optimizer.step(); p.data  # lr * sqrt(.001) / .1 / sqrt(.001 * 4) = 0.5 is the step size, m = 0.2
        tensor([0.9000])

    Luo et al. 2019, Adaptive Gradient Methods with Dynamic Bound of Learning Rate, arXiv:1902.09843, Algorithms 2, 3.
    """

    per_group = ("lr", "weight_decay", "base_lr")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        final_lr: float = 0.1,
        gamma: float = 1e-3,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsbound: bool = False,
        *,
        maximize: bool = False,
        compile: bool = False,
    ) -> None:
        defaults = dict(lr=lr, betas=betas, final_lr=final_lr, gamma=gamma, eps=eps, weight_decay=weight_decay)
        super().__init__(params, dict(**defaults, amsbound=amsbound, maximize=maximize, compile=compile))

    def check(self, group: dict[str, Any]) -> None:
        """Reject a group with a value that is out of range, and store its first lr."""
        check_at_least_0(group, "lr", "eps", "weight_decay")
        check_above_0(group, "final_lr", "gamma")
        check_betas(group)
        check_bools(group, "amsbound")
        self.complete(group)
        check_at_least_0(group, "base_lr")

    def complete(self, group: dict[str, Any]) -> None:
        """Fill in the keys that a group lacks; a missing ``base_lr`` becomes the present lr."""
        super().complete(group)
        group.setdefault("base_lr", float(group.get("initial_lr", group["lr"])))

    def rule(self, group: Group) -> RuleSpec:
        """Return the rule, with its scalars and its state."""
        return RuleSpec(adabound, AdaBoundScalars, MAX_MOMENTS if group["amsbound"] else MOMENTS)

    def step_scalars(self, counters: Counters, group: Group, static_args: Group) -> AdaBoundScalars:
        """Return the numbers of the rule at this step."""
        step = counters["step"]
        lr, (beta1, beta2), gamma = group["lr"], group["betas"], group["gamma"]
        correction = math.sqrt(1 - beta2**step) / (1 - beta1**step)
        # step_size / upper and step_size / lower, in which the lr cancels out
        final_divisor = nonzero_base_lr(lr, group["base_lr"]) * (correction / group["final_lr"])
        return AdaBoundScalars(
            *moment_scalars(group, static_args["decay"]),
            minus_step_size=lr * -correction,
            eps=group["eps"],
            min_divisor=final_divisor * (gamma * step / (gamma * step + 1)),
            max_divisor=final_divisor * (1 + 1 / (gamma * step)),
        )


def nonzero_base_lr(lr: Number, base_lr: Number) -> Number:
    """Return the lr that a group began with; 1 if that and the present lr are 0, to avoid 0 / 0.

    Raises:
        ConfigError: for a group that began with lr=0 and now has another.

    Example:
        >>> nonzero_base_lr(0.05, 0.1), nonzero_base_lr(0.0, 0.0)
        (0.1, 1.0)
    """
    if isinstance(lr, Tensor) or isinstance(base_lr, Tensor):
        lrs, began = torch.as_tensor(lr), torch.as_tensor(base_lr)
        foreign = lrs[(lrs != 0) & (began == 0)]
        return began.masked_fill(began == 0, nonzero_base_lr(foreign[0].item(), 0.0) if foreign.numel() else 1.0)
    if lr and not base_lr:
        rule = "the bounds are final_lr * lr / base_lr, and the group began with lr=0; give it a base_lr"
        raise ConfigError(f"base_lr=0: must be above 0 once lr is ({lr:g}): {rule}")
    return base_lr or 1.0

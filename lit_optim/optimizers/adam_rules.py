from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from lit_optim.engine.ops import Decay, Number, add_product_, add_quotient_, apply_decay, average_, decay_scalar
from lit_optim.engine.rule_optimizer import Group

Eps: TypeAlias = Literal["torch", "paper"]
MOMENTS = ("exp_avg", "exp_avg_sq")
MAX_MOMENTS = (*MOMENTS, "max_exp_avg_sq")  # of AMSGrad


class AdamScalars(NamedTuple):
    """The numbers of `adam` at a step."""

    decay_by: Number
    beta1: Number
    one_minus_beta1: Number
    beta2: Number
    one_minus_beta2: Number
    minus_step_size: Number
    eps: Number


def adam(
    p: Tensor, g: Tensor, scratch: Tensor, s: AdamScalars,
    *, exp_avg: Tensor, exp_avg_sq: Tensor, max_exp_avg_sq: Tensor | None = None, decay: Decay,
) -> None:  # fmt: skip
    """Update by Algorithm 1, with both bias corrections in ``minus_step_size`` and ``eps``."""
    g, v = update_moments(p, g, scratch, s, exp_avg, exp_avg_sq, max_exp_avg_sq, decay)
    denominator = torch.sqrt(v, out=scratch).add_(s.eps)
    add_quotient_(p, exp_avg, denominator, s.minus_step_size)


def update_moments(
    p: Tensor, g: Tensor, scratch: Tensor, s: Any,
    exp_avg: Tensor, exp_avg_sq: Tensor, max_exp_avg_sq: Tensor | None, decay: Decay,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Apply the weight decay, and update the running averages of the gradient and of its square.

    Returns:
        The gradient, which may lie in ``scratch``, and the second moment: with AMSGrad the largest one so far.
    """
    g = apply_decay(p, g, s.decay_by, decay, out=scratch)
    average_(exp_avg, g, s.beta1, s.one_minus_beta1)
    add_product_(exp_avg_sq.mul_(s.beta2), g, g, s.one_minus_beta2)
    if max_exp_avg_sq is None:
        return g, exp_avg_sq
    return g, torch.maximum(max_exp_avg_sq, exp_avg_sq, out=max_exp_avg_sq)


def moment_scalars(group: Group, decay: Decay) -> tuple[Number, Number, Number, Number, Number]:
    """Return the scalars of `update_moments`, which come first in the scalars of each rule that calls it.

    Example:
        >>> moment_scalars({"lr": 0.1, "betas": (0.5, 0.75), "weight_decay": 0.5}, "decoupled")
        (0.95, 0.5, 0.5, 0.75, 0.25)
    """
    beta1, beta2 = group["betas"]
    decay_by = decay_scalar(decay, group["lr"], group["weight_decay"])
    return decay_by, beta1, 1 - beta1, beta2, 1 - beta2


def adam_scalars(step: float, group: Group, decay: Decay, eps: Eps) -> AdamScalars:
    """Return the numbers of `adam` at the ``step``-th step.

    ``torch``: eps is added to the bias-corrected root (Algorithm 1 of the paper, and torch); ``paper``: to the
    uncorrected one ("epsilon hat" of its section 2).
    """
    beta1, beta2 = group["betas"]
    root = math.sqrt(1 - beta2**step)
    minus_step_size = group["lr"] * (-root / (1 - beta1**step))
    eps_now = group["eps"] * root if eps == "torch" else group["eps"]
    return AdamScalars(*moment_scalars(group, decay), minus_step_size=minus_step_size, eps=eps_now)

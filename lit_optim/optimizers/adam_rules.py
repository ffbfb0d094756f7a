from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from lit_optim.engine.ops import Number, add_product_, add_quotient_, average_
from lit_optim.engine.param_bucket import Numbers
from lit_optim.engine.weight_decay import Decay, decay_number, decayed

Eps: TypeAlias = Literal["torch", "paper"]


def adam(
    p: Tensor, g: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor, scratch: Tensor, decay_by: Number,
    beta1: Number, rest1: Number, beta2: Number, rest2: Number, minus_step_size: Number, eps: Number, *, decay: Decay,
) -> None:  # fmt: skip
    """Algorithm 1, with both bias corrections in ``minus_step_size`` and ``eps``."""
    g = decayed(p, g, decay_by, decay, out=scratch)
    average_(exp_avg, g, beta1, rest1)
    add_product_(exp_avg_sq.mul_(beta2), g, g, rest2)
    denominator = torch.sqrt(exp_avg_sq, out=scratch).add_(eps)
    add_quotient_(p, exp_avg, denominator, minus_step_size)


def amsgrad(
    p: Tensor, g: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor, max_exp_avg_sq: Tensor, scratch: Tensor,
    decay_by: Number, beta1: Number, rest1: Number, beta2: Number, rest2: Number, minus_step_size: Number, eps: Number,
    *, decay: Decay,
) -> None:  # fmt: skip
    """The same with the largest second moment so far."""
    g = decayed(p, g, decay_by, decay, out=scratch)
    average_(exp_avg, g, beta1, rest1)
    add_product_(exp_avg_sq.mul_(beta2), g, g, rest2)
    torch.maximum(max_exp_avg_sq, exp_avg_sq, out=max_exp_avg_sq)
    denominator = torch.sqrt(max_exp_avg_sq, out=scratch).add_(eps)
    add_quotient_(p, exp_avg, denominator, minus_step_size)


def adam_numbers(step: float, group: Mapping[str, Any], decay: Decay, eps: Eps) -> Numbers:
    """The numbers of `adam` at the ``step``-th step.

    ``torch``: eps is added to the bias-corrected root (Algorithm 1 of the paper, and torch); ``paper``: to the
    uncorrected one ("epsilon hat" of its section 2, and SWATS).
    """
    lr, (beta1, beta2) = group["lr"], group["betas"]
    root = math.sqrt(1 - beta2**step)
    decay_by = decay_number(decay, lr, group["weight_decay"])
    eps_now = group["eps"] * root if eps == "torch" else group["eps"]
    return decay_by, beta1, 1 - beta1, beta2, 1 - beta2, lr * (-root / (1 - beta1**step)), eps_now

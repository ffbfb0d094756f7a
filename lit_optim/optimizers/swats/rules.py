"""The rules of SWATS: a step of Adam that returns its dot products, and a step of SGD on the same state."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lit_optim.engine.compile_rule import ROW
from lit_optim.engine.ops import Number, add_, add_product_, average_, dot, scaled_sum_
from lit_optim.engine.weight_decay import Decay, decayed

PIECE = 1 << 16  # elements; half a megabyte in 64 bits


def swats_adam(
    p: Tensor, g: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor, scratch: Tensor, decay_by: Number,
    beta1: Number, rest1: Number, beta2: Number, rest2: Number, minus_step_size: Number, eps: Number, *, decay: Decay,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """A step of Adam, and its dot products with itself and with the gradient; a decoupled decay is no part of it."""
    g = decayed(p, g, decay_by, decay, out=scratch)
    average_(exp_avg, g, beta1, rest1)
    add_product_(exp_avg_sq.mul_(beta2), g, g, rest2)
    return taken(p, g, exp_avg, exp_avg_sq, scratch, minus_step_size, eps)


def swats_amsgrad(
    p: Tensor, g: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor, max_exp_avg_sq: Tensor, scratch: Tensor,
    decay_by: Number, beta1: Number, rest1: Number, beta2: Number, rest2: Number, minus_step_size: Number, eps: Number,
    *, decay: Decay,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The same with the largest second moment so far."""
    g = decayed(p, g, decay_by, decay, out=scratch)
    average_(exp_avg, g, beta1, rest1)
    add_product_(exp_avg_sq.mul_(beta2), g, g, rest2)
    torch.maximum(max_exp_avg_sq, exp_avg_sq, out=max_exp_avg_sq)
    return taken(p, g, exp_avg, max_exp_avg_sq, scratch, minus_step_size, eps)


def taken(
    p: Tensor, g: Tensor, exp_avg: Tensor, square: Tensor, scratch: Tensor, minus_step_size: Number, eps: Number
) -> tuple[Tensor, Tensor]:
    """Takes the step ``minus_step_size exp_avg / (sqrt(square) + eps)``; returns its dot products, in 64 bits.

    Example:
        >>> p, g = torch.tensor([1.0]), torch.tensor([2.0])
        >>> taken(p, g, g, g * g, torch.empty(1), -0.5, 0.0), p
        ((tensor(0.2500, dtype=torch.float64), tensor(-1., dtype=torch.float64)), tensor([0.5000]))
    """
    denominator = square.sqrt() if scratch is g else torch.sqrt(square, out=scratch)
    direction = torch.div(exp_avg, denominator.add_(eps), out=denominator)
    add_(p, direction, minus_step_size)
    dd, dg = dots(direction, g, in_pieces=not isinstance(minus_step_size, Tensor))  # those of a kernel are tensors
    return dd * minus_step_size * minus_step_size, dg * minus_step_size


def dots(x: Tensor, y: Tensor, *, in_pieces: bool) -> tuple[Tensor, Tensor]:
    """Returns ``x.x`` and ``x.y``, added up in 64 bits; on a CPU in pieces whose copies in 64 bits stay in the cache.

    Example:
        >>> dots(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), in_pieces=True)
        (tensor(5., dtype=torch.float64), tensor(11., dtype=torch.float64))
    """
    if not in_pieces:
        return dot(x, x), dot(x, y)
    if not x.is_cpu:
        return sum_of_rows(x * x), sum_of_rows(x * y)
    xx = xy = torch.zeros((), dtype=torch.float64, device=x.device)
    for a, b in zip(torch.split(x, PIECE), torch.split(y, PIECE), strict=True):
        wide = a.double()
        xx, xy = xx + dot(wide, wide), xy + dot(wide, b)
    return xx, xy


def sum_of_rows(x: Tensor) -> Tensor:
    """Adds up all elements in 64 bits, but rows of 1,024 in the dtype of ``x``.

    Half the time on a GPU, at an error of some 1e-11 of the sum of all magnitudes.

    Example:
        >>> sum_of_rows(torch.ones(3000))
        tensor(3000., dtype=torch.float64)
    """
    cut = x.numel() - x.numel() % ROW
    rows, rest = x[:cut].view(-1, ROW).sum(-1), x[cut:].sum()
    return rows.sum(dtype=torch.float64) + rest


def swats_sgd(p: Tensor, g: Tensor, momentum_buffer: Tensor, *rest: Any, decay: Decay) -> None:
    """SGD with momentum, whose buffer lives where Adam's first moment was; Adam's other state stays as it is."""
    scratch, decay_by, momentum, minus_lr = rest[-4:]
    g = decayed(p, g, decay_by, decay, out=scratch)
    scaled_sum_(momentum_buffer, g, momentum)
    add_(p, momentum_buffer, minus_lr)

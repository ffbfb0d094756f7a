"""Matrices that an optimizer moves to the minimum of a separable quadratic: any dtype, any kind of gradient."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lit_optim.config.capabilities import Capabilities

SHAPE = (6, 6)  # more elements than a vector register holds: their tails are where kernels go wrong


def start(*shape: int, dtype: torch.dtype = torch.float32) -> torch.nn.Parameter:
    """A parameter at zero, where whatever it becomes is what the optimizer did."""
    return torch.nn.Parameter(torch.zeros(shape or SHAPE, dtype=dtype))


def _constants(p: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """Curvature and minimum of each element, which every dtype holds exactly.

    Square matrices and a minimum that moves, for the reason that `problem.Problem` gives.
    """
    generator = torch.Generator().manual_seed(p.numel() + step)
    curvature = torch.randint(1, 5, p.shape, generator=generator) / 4
    minimum = torch.randint(1, 9, p.shape, generator=generator) / 4
    sign = torch.randint(0, 2, p.shape, generator=generator) * 2 - 1
    if p.is_complex():
        return curvature, torch.complex(minimum * sign, minimum).to(p.dtype)
    return curvature.to(p.dtype), (minimum * sign).to(p.dtype)


def loss(params: Sequence[Tensor], step: int = 0) -> Tensor:
    """``sum(curvature * |p - minimum| ** 2) / 2``, with other numbers at each step."""
    total = torch.zeros(())
    for p in params:
        curvature, minimum = _constants(p, step)
        distance = torch.view_as_real(p - minimum).square().sum(-1) if p.is_complex() else (p - minimum).square()
        total = total + (curvature * distance).sum().float() / 2
    return total


def descend(
    optimizer: Any,
    params: Sequence[Tensor],
    needs: Capabilities,
    steps: int = 8,
    *,
    sparse: bool = False,
    view: Callable[[Tensor], Tensor] = lambda p: p,
) -> Tensor:
    """Takes steps, always with the same random numbers, and returns all parameters as one vector.

    Args:
        optimizer: of ``params``.
        params: from ``start``.
        needs: what the optimizer asks for.
        steps: how many; some optimizers only measure in their first five.
        sparse: hand it sparse gradients.
        view: what of a parameter the loss sees.
    """

    def closure(step: int) -> Tensor:
        optimizer.zero_grad()
        value = loss([view(p) for p in params], 0 if needs.closure else step)  # a line search needs it to stand still
        value.backward(create_graph=needs.second_order)
        for p in params if sparse else ():
            p.grad = p.grad.to_sparse(1)  # as of an nn.Embedding(sparse=True)
        return value

    torch.manual_seed(0)
    if needs.modes:
        optimizer.train()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in range(steps):
            optimizer.step(functools.partial(closure, step))
    return torch.cat([p.detach().flatten() for p in params])

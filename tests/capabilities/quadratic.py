"""Matrices that an optimizer moves to the minimum of a separable quadratic: any dtype, any kind of gradient."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lit_optim.config.capabilities import Capabilities

SHAPE = (5, 8)  # more elements than a vector register holds: their tails are where kernels go wrong


def start(*shape: int, dtype: torch.dtype = torch.float32) -> torch.nn.Parameter:
    """A parameter at zero, where whatever it becomes is what the optimizer did."""
    return torch.nn.Parameter(torch.zeros(shape or SHAPE, dtype=dtype))


def _constants(p: Tensor) -> tuple[Tensor, Tensor]:
    """Curvature and minimum of each element, which every dtype holds exactly."""
    generator = torch.Generator().manual_seed(p.numel())
    curvature = torch.randint(1, 5, p.shape, generator=generator) / 4
    minimum = torch.randint(1, 9, p.shape, generator=generator) / 4
    sign = torch.randint(0, 2, p.shape, generator=generator) * 2 - 1
    if p.is_complex():
        return curvature, torch.complex(minimum * sign, minimum).to(p.dtype)
    return curvature.to(p.dtype), (minimum * sign).to(p.dtype)


def loss(params: Sequence[Tensor]) -> Tensor:
    """``sum(curvature * |p - minimum| ** 2) / 2``."""
    total = torch.zeros(())
    for p in params:
        curvature, minimum = _constants(p)
        distance = torch.view_as_real(p - minimum).square().sum(-1) if p.is_complex() else (p - minimum).square()
        total = total + (curvature * distance).sum().float() / 2
    return total


def descend(
    optimizer: Any, params: Sequence[Tensor], needs: Capabilities, steps: int = 8, *, sparse: bool = False
) -> Tensor:
    """Takes steps, always with the same random numbers, and returns all parameters as one vector."""

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(params)
        value.backward(create_graph=needs.second_order)
        for p in params if sparse else ():
            p.grad = p.grad.to_sparse(1)  # as of an nn.Embedding(sparse=True)
        return value

    torch.manual_seed(0)
    if needs.modes:
        optimizer.train()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(steps):
            optimizer.step(closure)
    return torch.cat([p.detach().flatten() for p in params])

"""Pair a parameter with its state; view complex tensors as real and sharded ones as local."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lit_optim.distributed import is_sharded, local_tensor, shard_like


@dataclass
class ParamState:
    """A parameter, its state, and the index of its group among those of its bucket."""

    p: Tensor
    state: dict[str, Any]
    group: int

    def create_missing(self, names: Iterable[str]) -> None:
        """Create missing state tensors as zeros, in the memory layout of the parameter."""
        for name in names:
            if self.state.get(name) is None:
                self.state[name] = torch.zeros_like(self.p, memory_format=torch.preserve_format)


def local_real_tensor(tensor: Tensor) -> Tensor:
    """Return the local part of a sharded tensor, complex numbers as pairs of real ones, and pending negations resolved.

    Example:
        >>> local_real_tensor(torch.zeros(3, dtype=torch.complex64)).shape
        torch.Size([3, 2])
    """
    tensor = local_tensor(tensor)
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor.resolve_neg()


def local_real_gradient(p: Tensor) -> Tensor:
    """Return the gradient as `local_real_tensor`, sharded as its parameter is."""
    return local_real_tensor(shard_like(p.grad, p))


def is_local_real(p: Tensor) -> bool:
    """Return whether a parameter is neither complex nor sharded, so that its state can be a view of flat memory."""
    return not p.is_complex() and not is_sharded(p)

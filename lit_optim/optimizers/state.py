"""State on its way out: tensors that share memory while training are told apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping
from typing import Any

import torch
from torch import Tensor


def counter(name: str, value: float, p: Tensor) -> Tensor:
    """A 0-dim counter, on the CPU and in 32 bits, as torch keeps it; a product in 64, if the parameter is.

    Example:
        >>> counter("step", 3.0, torch.zeros(2))
        tensor(3.)
    """
    exact = name != "step" and p.dtype in (torch.float64, torch.complex128)
    return torch.tensor(value, dtype=torch.float64 if exact else torch.float32)


def own_state(state: Any, counters: Container[str]) -> Any:
    """A parameter's state with its own memory: counters are shared by many, and views hold on to all of a gathering.

    Example:
        >>> flat = torch.arange(4.0)
        >>> own_state({"exp_avg": flat[:1]}, ())["exp_avg"].untyped_storage().nbytes()
        4
    """
    if not isinstance(state, Mapping):
        return state
    return {k: v.clone() if isinstance(v, Tensor) and (k in counters or is_part(v)) else v for k, v in state.items()}


def own(states: Mapping[Any, Any], counters: Container[str]) -> Any:
    """The same for all parameters, in the dictionary that torch expects."""
    return defaultdict(dict, {p: own_state(state, counters) for p, state in states.items()})


def is_part(tensor: Tensor) -> bool:
    """Whether a tensor is a part of a larger memory."""
    if hasattr(tensor, "to_local") or tensor.layout is not torch.strided:
        return False
    return tensor.untyped_storage().nbytes() > tensor.numel() * tensor.element_size()

"""State on its way out: tensors that share memory while training are told apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from lit_optim.distributed import is_sharded


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


def own_loaded(
    states: Mapping[Any, Any], groups: Iterable[Mapping[str, Any]], saved: Mapping[str, Any], counters: Container[str]
) -> None:
    """After a load: tensors that are still the saved ones become copies, counters are read as they were saved.

    Args:
        states: what was loaded, by parameter.
        groups: of the optimizer.
        saved: the state dict.
        counters: names; torch casts them to the dtype of their parameter, and may find them as plain numbers.
    """
    ids = (i for group in saved["param_groups"] for i in group["params"])
    for p, i in zip((p for group in groups for p in group["params"]), ids, strict=True):
        before, state = saved["state"].get(i, {}), states.get(p, {})
        for name, value in list(state.items()):
            if name in counters:
                state[name] = counter(name, float(before.get(name, value)), p)
            elif isinstance(value, Tensor) and value is before.get(name):
                state[name] = value.clone()


def is_part(tensor: Tensor) -> bool:
    """Whether a tensor is a part of a larger memory."""
    if is_sharded(tensor) or tensor.layout is not torch.strided:
        return False
    return tensor.untyped_storage().nbytes() > tensor.numel() * tensor.element_size()

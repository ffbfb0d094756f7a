"""Copy optimizer state on save and load, so that no two tensors share memory."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from lit_optim.distributed import is_sharded


def make_counter(name: str, value: float, p: Tensor) -> Tensor:
    """Make a 0-dim counter on the CPU as torch does: float32, or float64 for products of double-precision parameters.

    Example:
        >>> make_counter("step", 3.0, torch.zeros(2))
        tensor(3.)
    """
    exact = name != "step" and p.dtype in (torch.float64, torch.complex128)
    return torch.tensor(value, dtype=torch.float64 if exact else torch.float32)


def unshared_state(state: Any, counters: Container[str]) -> Any:
    """Copy the tensors of a parameter's state that share memory: counters of a bucket, and views of flat memory.

    Example:
        >>> flat = torch.arange(4.0)
        >>> unshared_state({"exp_avg": flat[:1]}, ())["exp_avg"].untyped_storage().nbytes()
        4
    """
    if not isinstance(state, Mapping):
        return state
    return {
        name: value.clone() if isinstance(value, Tensor) and (name in counters or _is_part(value)) else value
        for name, value in state.items()
    }


def unshared_state_dict(saved: dict[str, Any], optimizers: Iterable[Any]) -> dict[str, Any]:
    """Copy the tensors of a state dict that share memory in one of several optimizers.

    Args:
        saved: of the object that owns their state.
        optimizers: that it lends the state to.
    """
    counters = {name for each in optimizers for name in getattr(each, "counters", ())}
    if not counters:
        return saved
    return {**saved, "state": {key: unshared_state(value, counters) for key, value in saved["state"].items()}}


def unshare_loaded(
    states: Mapping[Any, Any], groups: Iterable[Mapping[str, Any]], saved: Mapping[str, Any], counters: Container[str]
) -> None:
    """Copy loaded tensors that are still the saved ones, and read counters as they were saved.

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
                state[name] = make_counter(name, float(before.get(name, value)), p)
            elif isinstance(value, Tensor) and value is before.get(name):
                state[name] = value.clone()


def _is_part(tensor: Tensor) -> bool:
    if is_sharded(tensor) or tensor.layout is not torch.strided:
        return False
    return tensor.untyped_storage().nbytes() > tensor.numel() * tensor.element_size()

"""Keep the state keys of both classes on sharded parameters, whose checkpoints are planned from the keys of the moment.

A run that is resumed after the change loads into an optimizer that has not changed yet. Its keys must be the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from lit_optim.errors import ConfigError
from lit_optim.state_loading.expected_state import FirstStates, TensorLike
from lit_optim.state_loading.saved_param_state import is_shadow_key, own_state

BEGUN = "second_has_begun"  # 0 or 1: whether what stands at the second class's keys is its state


def has_begun(entry: Mapping[str, Any]) -> bool:
    """Return whether a parameter's state is that of the second class, after the change.

    Example:
        >>> has_begun({"momentum_buffer": torch.ones(1)}), has_begun({"slow": torch.ones(1)})
        (True, False)
    """
    return bool(entry[BEGUN]) if BEGUN in entry else bool(own_state(entry))


def complete_keys(
    groups: Sequence[Mapping[str, Any]],
    state: Any,
    unused: Optimizer,
    values: Mapping[str, Any],
    *,
    begun: bool,
) -> None:
    """Add the keys that the class which is not in use keeps, with zeros, to state that lacks them.

    Args:
        groups: the param groups.
        state: of their parameters; it is changed.
        unused: the optimizer that is not in use.
        values: of its groups.
        begun: whether the second class is in use.

    Raises:
        ConfigError: for a state that is neither a number nor of the parameter's shape.
    """
    first_states = FirstStates(unused)
    for group in groups:
        merged: dict[str, Any] = {}
        for p in group["params"]:
            if BEGUN not in state.get(p, ()) and (p.grad is not None or state.get(p)):
                entry, merged = state[p], merged or {**group, **values}
                for key, like in (first_states(merged, p).state or {}).items():
                    if key not in entry and like is not None:
                        entry[key] = _zeros(key, like, p)
                entry[BEGUN] = torch.tensor(float(begun))


def keep_other_keys(before: Mapping[Tensor, dict[str, Any]], state: Any, *, sharded: bool) -> None:
    """Put back what the second class does not keep: second weights, and where sharded all keys.

    Args:
        before: state of parameters before the change, or before the first step after it.
        state: of all parameters after it; it is changed.
        sharded: whether the keys have to stay what they are.
    """
    for p, entry in before.items():
        begun, own = bool(state.get(p)), state.get(p, {})
        kept = {k: v for k, v in entry.items() if (sharded or is_shadow_key(k)) and k not in own}
        if kept:
            state[p].update(kept)
        if BEGUN in entry:
            state[p][BEGUN] = torch.tensor(float(begun))


def _zeros(key: str, like: Any, p: Tensor) -> Any:
    if not isinstance(like, TensorLike):
        return like
    if like.shape == tuple(p.shape):
        return torch.zeros_like(p, dtype=like.dtype, requires_grad=False)
    if like.shape is not None and torch.Size(like.shape).numel() == 1:
        return torch.zeros(like.shape, dtype=like.dtype)
    raise ConfigError(f"to: its state {key!r} has another shape than its parameter, which is sharded; choose another")

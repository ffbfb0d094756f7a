"""Optimizers of which the first parameter holds the state of all, in vectors that follow their order: LBFGS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.optim import LBFGS, Optimizer

from lit_optim.state_loading.compare import own_state
from lit_optim.state_loading.match import LiveParameter, Match

KEYS = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")  # once it has iterated


def is_joint(optimizer: Optimizer) -> bool:
    """Whether an optimizer is one of these."""
    return isinstance(optimizer, LBFGS)


def joint_problem(state: Mapping[Any, Any], matched: Match, live: Sequence[Sequence[LiveParameter]]) -> list[str]:
    """Why a joint state does not fit; else nothing."""
    if not state:
        return []
    if matched.reordered:
        return ["its parameters were in another order, which the state of LBFGS follows; restore that order"]
    first = matched.groups[0]["params"][0]
    entry = own_state(state.get(first, {}))
    if any(own_state(other) for i, other in state.items() if i != first):
        return ["it is no state of LBFGS, which has one entry, of its first parameter"]
    parameters = [p.tensor for group in live for p in group]
    size = sum(2 * p.numel() if p.is_complex() else p.numel() for p in parameters)
    lacking = [key for key in KEYS if key not in entry] if entry.get("n_iter") else []
    if lacking:
        return [f"its state lacks {', '.join(map(repr, lacking))}"]
    dtype = parameters[0].dtype.to_real() if parameters[0].is_complex() else parameters[0].dtype
    for key, value in _tensors(entry):
        if value.numel() != 1 and tuple(value.shape) != (size,):
            return [f"{key!r} has shape {tuple(value.shape)}, and should have {(size,)}, of all parameters together"]
        if value.dtype.is_floating_point != dtype.is_floating_point or value.is_complex():
            return [f"{key!r} is of dtype {str(value.dtype)[6:]}, and should be of {str(dtype)[6:]}"]
    return []


def _tensors(entry: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    for key, value in entry.items():
        for part in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(part, Tensor):
                yield key, part

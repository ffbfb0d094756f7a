"""Find how many bytes an optimizer's state takes, before any of it is allocated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import LBFGS, Optimizer

from lit_optim.state_loading.expected_state import FirstStates, TensorLike

NOT_IN_STATE = ("params", "param_names", "name", "lr", "initial_lr", "weight_decay")  # keys that change no size of it


class StateBytes:
    """Finds the bytes of an optimizer's state for a parameter after its first step, from steps on dummies.

    The first dummy is of the parameter's shape on the meta device, which allocates nothing. Where the class reads
    values, which are not there, it is a small one on the CPU.

    Args:
        optimizer: it is not changed.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        grows = isinstance(optimizer, LBFGS)  # it keeps a history, of all parameters in one
        finders = [(FirstStates(optimizer, devices=("meta",)), True), (FirstStates(optimizer), False)]
        self._finders = [] if grows else finders
        self._alike: dict[str, Any] = {}

    def __call__(self, group: Mapping[str, Any], p: Tensor) -> int | None:
        """Return the bytes; None where they do not follow from those of a dummy, or grow."""
        if is_lazy(p):
            return 0
        options = {key: value for key, value in group.items() if key not in NOT_IN_STATE}
        group = self._alike.setdefault(repr(options), group)
        while self._finders:
            find, exact = self._finders[0]
            state = find(group, p, exact=exact).state
            if state is not None:
                return _state_bytes(state)
            del self._finders[0]  # another parameter would fail likewise
        return None


def _state_bytes(value: Any) -> int | None:
    if isinstance(value, TensorLike):
        if value.shape is None or value.cls not in (Tensor, nn.Parameter):  # a subclass may pack its values
            return None
        size = value.dtype.itemsize
        for n in value.shape:
            size *= n
        return size
    parts = list(value.values()) if isinstance(value, Mapping) else value
    if not isinstance(parts, (list, tuple)):
        return 0
    sizes = [_state_bytes(part) for part in parts]
    return None if None in sizes else sum(size or 0 for size in sizes)

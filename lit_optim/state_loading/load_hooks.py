"""Check every state dict that an optimizer loads, and save the names of its parameters with it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from lit_optim.state_loading.compatible_state import compatible_state
from lit_optim.state_loading.parameter_names import remember_names


def guard(optimizer: Optimizer, names: Mapping[Tensor, tuple[str, ...]] | None = None) -> Optimizer:
    """Check every state dict that an optimizer loads, and save the names of its parameters with it.

    Args:
        optimizer: of any class.
        names: of its parameters, and of others that may be added to it.
    """
    remember_names(optimizer, names)
    cls = type(optimizer)
    if cls.load_state_dict is Optimizer.load_state_dict:
        optimizer._optimizer_load_state_dict_pre_hooks = _CheckIsLast(optimizer._optimizer_load_state_dict_pre_hooks)
    elif not hasattr(cls, "checks_what_it_loads"):
        # such classes call no hooks, or read their argument again when hooks are done
        optimizer.load_state_dict = partial(_load, optimizer)  # type: ignore[method-assign]
    return optimizer


class _CheckIsLast(OrderedDict[int, Any]):
    """Dictionary of load pre-hooks that always runs our check last."""

    def values(self) -> Any:
        """Return the registered hooks, then our check."""
        return [*super().values(), compatible_state]


def _load(optimizer: Optimizer, state_dict: Any) -> None:
    type(optimizer).load_state_dict(optimizer, compatible_state(optimizer, state_dict))

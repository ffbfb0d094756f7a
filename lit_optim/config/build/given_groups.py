"""Read the parameters that Python code gives without a module: tensors, named ones, or param groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from lit_optim.errors import ConfigError, wrong
from lit_optim.param_groups import Grouping

Names = dict[Tensor, tuple[str, ...]]


def given_groups(params: Any, grouping: Grouping | None = None) -> tuple[list[dict[str, Any]], Names]:
    """Return param groups with lists of tensors, and the names of those that came with one.

    Args:
        params: the parameters.
        grouping: rules that need a module, so that there may be none.

    Raises:
        ConfigError: for rules, and for all but tensors, pairs (name, tensor), and mappings with the key ``params``.

    Example:
        >>> import torch
        >>> groups, names = given_groups([("weight", torch.ones(2))])
        >>> groups[0]["params"], list(names.values())
        ([tensor([1., 1.])], [('weight',)])
    """
    if grouping is not None and (grouping.rules or grouping.layers or grouping.mup):
        raise ConfigError("param_groups: rules need the module; pass it in place of its parameters")
    if isinstance(params, Tensor) or not isinstance(params, Iterable):
        raise ConfigError("params: give a module, an iterable of tensors, or a list of param groups")
    names: Names = {}
    items: list[Any] = list(params.items()) if isinstance(params, Mapping) else list(params)
    if not any(isinstance(item, Mapping) for item in items):
        return [{"params": _read_tensors(items, names)}], names
    for item in items:
        if not isinstance(item, Mapping) or "params" not in item:
            raise ConfigError("params: a list of param groups holds mappings with the key 'params', and nothing else")
    return [{**group, "params": _read_tensors(group["params"], names)} for group in items], names


def _read_tensors(params: Any, names: Names) -> list[Tensor]:
    """List the tensors among parameters and named ones; add their names to ``names``."""
    tensors: list[Tensor] = []
    for item in [params] if isinstance(params, Tensor) else params:
        name, tensor = item if isinstance(item, tuple) and len(item) == 2 else (None, item)
        if not isinstance(tensor, Tensor):
            raise ConfigError(wrong("params", tensor, f"a {type(tensor).__name__} among the parameters; give tensors"))
        if isinstance(name, str):
            names[tensor] = (name,)
        tensors.append(tensor)
    if not tensors:
        raise ConfigError("params: empty, so there is nothing to train")
    return tensors

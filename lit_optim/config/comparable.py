"""Specs in a form in which those of one process can be held against those of another."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from lit_optim.config.plain import dotted, plain
from lit_optim.config.spec import read
from lit_optim.errors import ConfigError

READ = ("optimizer", "scheduler")  # groups whose specs are one thing to build


def comparable(specs: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The specs in plain containers, with names of presets spelled out; objects are told by their class.

    Args:
        specs: by group.
        overrides: beat the optimizer's keys.

    Example:
        >>> comparable({"optimizer": "sgd"}, {"lr": 0.5})["optimizer"]
        {'_target_': 'torch.optim.SGD', 'lr': 0.5, 'momentum': 0.0, 'weight_decay': 0.0}
    """
    found = {}
    for group, spec in specs.items():
        try:
            own = overrides if group == "optimizer" else None
            found[group] = _leaf(read(spec, group, overrides=own).as_dict() if group in READ and spec else plain(spec))
        except ConfigError:  # told when it is validated
            found[group] = str(spec)
    return found


def differences(one: Any, other: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    """Where two plain structures differ: (dotted key, value here, value there).

    Example:
        >>> differences({"lr": 1, "betas": [0.9, 0.99]}, {"lr": 1, "betas": [0.9, 0.999]})
        [('betas', [0.9, 0.99], [0.9, 0.999])]
    """
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return [] if one == other else [(key, one, other)]
    keys = list(dict.fromkeys([*other, *one]))
    if one.get("_target_") != other.get("_target_"):
        keys = ["_target_"]  # the keys of another class are others anyway
    names = {name: f"{key}.{name}" if key else str(name) for name in keys}
    return [found for name in keys for found in differences(one.get(name), other.get(name), names[name])]


def _leaf(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _leaf(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_leaf(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "tolist"):  # a tensor or an array
        return value.tolist()
    return dotted(value if isinstance(value, type) or inspect.isroutine(value) else type(value))

"""Specs in a form in which those of one process can be held against those of another."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from lit_optim.config.build.optimizer import check_optimizer
from lit_optim.config.build.param_groups import read_rules
from lit_optim.config.build.scheduler import check_scheduler
from lit_optim.config.read.plain_containers import import_path_of, to_plain
from lit_optim.config.read.spec import read_spec
from lit_optim.duration import Duration, parse
from lit_optim.errors import ConfigError


def canonical_specs(specs: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The specs in plain containers, with names of presets spelled out; objects are told by their class.

    Args:
        specs: by group.
        overrides: beat the optimizer's keys.

    Example:
        >>> canonical_specs({"optimizer": "sgd"}, {"lr": 0.5})["optimizer"]
        {'_target_': 'torch.optim.SGD', 'lr': 0.5, 'momentum': 0.0, 'weight_decay': 0.0}
    """
    found = {}
    for group, spec in specs.items():
        try:
            found[group] = _leaf(_settled(group, spec, overrides))
        except ConfigError:  # told when it is validated
            found[group] = _leaf(spec) if isinstance(spec, Mapping) else str(spec)
    return found


def _settled(group: str, spec: Any, overrides: Mapping[str, Any]) -> Any:
    """A spec as it is understood: however it was written, the same settings look the same."""
    if group == "optimizer":
        own = read_spec(spec, group, overrides=overrides)
        return {"_target_": own.path, **check_optimizer(own)[1]}
    if group == "scheduler":
        own = read_spec("none" if spec is None else spec, group)
        checked = check_scheduler(own, monitored=False)
        return {"_target_": own.path, **_lengths(checked.arguments), **checked.reserved}
    if group == "param_groups":
        return [[rule.name, list(rule.types), rule.options] for rule in read_rules(spec)]
    return to_plain(spec)


def _lengths(slots: Any) -> Any:
    """Durations as they are read: ``5%`` is 0.05."""
    if not isinstance(slots, Mapping):
        return slots
    return {k: parse(v) if k == "steps" else _lengths(v) for k, v in slots.items()}


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
    if isinstance(value, Duration):
        amount = float(value.amount)
        return {"steps": amount, "share": f"{amount:.10%}", "ep": f"{amount:g}ep"}[value.unit]
    if hasattr(value, "tolist"):  # a tensor or an array
        return value.tolist()
    return import_path_of(value if isinstance(value, type) or inspect.isroutine(value) else type(value))

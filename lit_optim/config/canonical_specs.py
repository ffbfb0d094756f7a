"""Write specs in a form in which those of two processes can be compared."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from lit_optim.config.checks.signature import call_signature
from lit_optim.config.read.plain_containers import import_path_of, to_plain
from lit_optim.config.resolve import Resolved
from lit_optim.config.resolve_named import ResolvedByName
from lit_optim.duration import Duration, parse

PARTS = ("optimizer", "scheduler", "param_groups")


def canonical_specs(resolved: Resolved | ResolvedByName, callbacks: Any = None) -> dict[str, Any]:
    """Write specs in plain containers, so that the same settings look the same in whatever form they were given.

    Args:
        resolved: the specs, of one optimizer or of several by name.
        callbacks: the spec of ``optim_callbacks``.

    Example:
        >>> from lit_optim.config.resolve import resolve_specs
        >>> canonical_specs(resolve_specs({"optimizer": "sgd"}, overrides={"lr": 0.5}))["optimizer"]
        {'_target_': 'torch.optim.SGD', 'lr': 0.5, 'momentum': 0.0, 'weight_decay': 0.0}
    """
    parts = [_canonical_part(part) for part in resolved.parts]
    names = [part.name for part in resolved.parts]
    found = {
        group: dict(zip(names, values, strict=True))
        for group, values in zip(PARTS, zip(*parts, strict=True), strict=True)
    }
    one = {group: values.get("", values) for group, values in found.items()}
    return {**one, "optim_callbacks": _canonical(to_plain(callbacks))}


def canonical_callbacks(callbacks: Iterable[Any]) -> dict[str, Any]:
    """Write what lit_optim's callbacks were given, by the names of their classes; folders are left out.

    Args:
        callbacks: of a Trainer; those of others are left out.

    Example:
        >>> from lit_optim.callbacks import Lookahead, ScheduleReport
        >>> canonical_callbacks([Lookahead(k=3), ScheduleReport()])["Lookahead"]["k"]
        3
    """
    found: dict[str, list[Any]] = {}
    for callback in callbacks:
        if _is_ours(callback) and (settings := _settings(callback)):
            found.setdefault(type(callback).__name__, []).append(settings)
    return {name: each[0] if len(each) == 1 else each for name, each in found.items()}


def _is_ours(value: Any) -> bool:
    return type(value).__module__.startswith("lit_optim.callbacks.")


def _settings(callback: Any) -> dict[str, Any]:
    """Return the arguments that a callback keeps under their names, or together under ``options``."""
    cls: Any = type(callback)
    kept = {**vars(callback).get("options", {}), **vars(callback)}
    return {
        name: _canonical(to_plain(kept[name], name))
        for name in call_signature(cls).hints
        if name in kept and name != "folder"
    }


def _canonical_part(part: Resolved) -> list[Any]:
    """Write the specs of one optimizer, in the order of `PARTS`."""
    optimizer, scheduler, of = part.optimizer, part.scheduler, {"of": part.of} if part.name else {}
    schedule = _with_parsed_durations(scheduler.arguments)
    return [
        _canonical({**replace(optimizer.spec, arguments=optimizer.arguments).as_dict(), **of}),
        _canonical({"_target_": scheduler.spec.path, **schedule, **scheduler.lightning_keys}),
        _canonical(part.param_groups.as_plain()),
    ]


def _with_parsed_durations(slots: Any) -> Any:
    """Parse the durations among slots: ``5%`` equals 0.05."""
    if not isinstance(slots, Mapping):
        return slots
    return {k: parse(v) if k == "steps" else _with_parsed_durations(v) for k, v in slots.items()}


def differences(one: Any, other: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    """List where two plain structures differ: (dotted key, value here, value there).

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


def _canonical(value: Any) -> Any:
    """Convert a value to plain containers; objects become their import paths."""
    if isinstance(value, Mapping):
        return {str(name): _canonical(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Duration):
        amount = float(value.amount)
        return {"steps": amount, "share": f"{amount:.10%}", "ep": f"{amount:g}ep"}[value.unit]
    if _is_ours(value):
        return {"_target_": import_path_of(type(value)), **_settings(value)}
    if hasattr(value, "tolist"):  # a tensor or an array
        return value.tolist()
    return import_path_of(value if isinstance(value, type) or inspect.isroutine(value) else type(value))

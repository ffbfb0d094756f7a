"""Write optimizers by name as the parts of one composite, for automatic optimization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_optim.config.build.parts import COMPOSITE
from lit_optim.config.read.named_specs import schedules_by_name, specs_by_name, split_of
from lit_optim.config.read.spec import DEFAULT_TARGETS, read_spec
from lit_optim.errors import ConfigError, Problems
from lit_optim.scheduler.drive import PLAN_KEYS

BY_HAND = "only manual optimization has that (self.automatic_optimization = False)"


def composite_of_names(specs: Mapping[str, Any]) -> dict[str, Any]:
    """Return specs in which a mapping of optimizers is one composite; others are left as they are.

    Each optimizer is a part of what its ``of`` selects, and its schedule that of the part's groups.

    Raises:
        ConfigError: for schedules that one scheduler cannot hold.

    Example:
        >>> named = {"body": "adamw", "head": {"_target_": "sgd", "of": "net.head"}}
        >>> composite_of_names({"optimizer": named})["optimizer"]["parts"]["head"]["match"]
        {'module': 'net.head'}
    """
    named = specs_by_name(specs.get("optimizer"))
    if named is None:
        return dict(specs)
    parts, problems = {}, Problems()
    for name, given in named.items():
        spec, of = split_of(given, name)
        try:
            one = read_spec(spec, "optimizer", f"optimizer.{name}")
        except ConfigError as error:
            problems.take(error)
        else:
            scaling = {} if one.lr_scaling is None else {"lr_scaling": one.lr_scaling}
            parts[name] = {**one.arguments, **scaling, "optimizer": one.target, "match": _match(of)}
    schedules = schedules_by_name(specs.get("scheduler"), named)
    scheduler, by_name = specs.get("scheduler"), {key for _, key in schedules.values()} != {"scheduler"}
    if by_name:
        given = {name: one for name, one in schedules.items() if one[0] is not None}
        groups = {name: _slots(schedule, key, problems) for name, (schedule, key) in given.items()}
        scheduler = {"_target_": "none", "groups": groups}
    problems.raise_if_any()
    return {**specs, "optimizer": {"_target_": COMPOSITE, "parts": parts}, "scheduler": scheduler}


def _match(of: Any) -> Any:
    entries = of if isinstance(of, (list, tuple)) else [of]
    matches = [entry if isinstance(entry, Mapping) else {"module": entry} for entry in entries]
    return matches[0] if len(matches) == 1 else {"any": matches}


def _slots(given: Any, key: str, problems: Problems) -> Any:
    """Return the slots of a schedule, which is all that a group's schedule has."""
    try:
        spec = read_spec(given, "scheduler", key)
    except ConfigError as error:
        problems.take(error)
        return {}
    found = {k: v for k, v in spec.arguments.items() if k not in ("drive", "groups") or v}
    if spec.path != DEFAULT_TARGETS["scheduler"]:
        problems.append(f"{key}: {spec.path} is no schedule of single groups; choose a preset, or {BY_HAND}")
    for name in [name for name in found if name not in (*PLAN_KEYS, "drive")]:
        problems.add(f"{key}.{name}", found[name], f"a key of its own for each optimizer: {BY_HAND}")
    return found

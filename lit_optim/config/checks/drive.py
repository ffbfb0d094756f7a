"""``drive`` and ``groups`` of a scheduler: presets' names spelled out, every schedule in them checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lit_optim.config.checks.slots import check_slots
from lit_optim.config.read import presets
from lit_optim.errors import ConfigError, Problems
from lit_optim.scheduler.drive import PLAN_KEYS, ScheduleConfig
from lit_optim.schedules.plan.slots import PhaseConfig, phase_configs


def check_driven_values(arguments: Mapping[str, Any], key: str, problems: Problems) -> dict[str, Any]:
    """The arguments of a ScheduleLR with all their schedules checked and coerced.

    Args:
        arguments: slots or phases, ``drive``, ``groups``, and others, which are left as they are.
        key: dotted name of the scheduler.
        problems: collects what is wrong.

    Example:
        >>> found = Problems()
        >>> checked = check_driven_values({"groups": {"head": "constant"}}, "scheduler", found)
        >>> checked["groups"]["head"]["main"]["shape"], found
        ('constant', [])
    """
    checked = dict(arguments)
    try:
        if arguments.get("drive"):
            checked["drive"] = _spelled_out(arguments["drive"], f"{key}.drive")
        if arguments.get("groups"):
            checked["groups"] = _spelled_out(arguments["groups"], f"{key}.groups")
        plans = configured(checked).plans(key)
    except ConfigError as error:
        problems.take(error)
        plans = [ScheduleConfig(_slots(checked)).plans(key)[0]]
    for plan in plans:
        slots = check_slots(plan.config, plan.where, problems)
        if plan.where == key:
            checked |= slots
            for name in set(_slots(checked)) - set(slots):
                del checked[name]
    return checked


def configured(arguments: Mapping[str, Any]) -> ScheduleConfig:
    """What a ScheduleLR makes of its arguments."""
    return ScheduleConfig(_slots(arguments), arguments.get("drive") or {}, arguments.get("groups") or {})


def parts(arguments: Mapping[str, Any]) -> Iterator[PhaseConfig]:
    """The phases of all schedules among the arguments of a ScheduleLR."""
    for plan in configured(arguments).plans():
        yield from phase_configs(plan.config, plan.where)


def _slots(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: arguments[name] for name in PLAN_KEYS if name in arguments}


def _spelled_out(entries: Any, where: str) -> Any:
    """Entries with the slots of a preset in place of its name."""
    if not isinstance(entries, Mapping):
        return entries
    return {
        name: _slots(presets.load_preset("scheduler", entry, f"{where}.{name}")) if isinstance(entry, str) else entry
        for name, entry in entries.items()
    }

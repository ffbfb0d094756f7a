"""Check all schedules of a ScheduleLR: that of the lr, and those in ``drive`` and ``groups``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_optim.config.checks.slots import check_slots
from lit_optim.config.read import presets
from lit_optim.errors import ConfigError, Problems
from lit_optim.scheduler.drive import PLAN_KEYS, ScheduleConfig
from lit_optim.schedules.plan.phase_configs import PhaseConfig, phase_configs


def check_driven_values(arguments: Mapping[str, Any], key: str, problems: Problems) -> dict[str, Any]:
    """Check and coerce all schedules among the arguments of a ScheduleLR.

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
        for name in ("drive", "groups"):
            if arguments.get(name):
                checked[name] = _load_named_presets(arguments[name], f"{key}.{name}")
        plans = schedule_config(checked).plans(key)
    except ConfigError as error:
        problems.take(error)
        plans = ScheduleConfig(_slots(checked)).plans(key)
    for plan in plans:
        slots = check_slots(plan.config, plan.where, problems)
        if plan.where == key:
            checked |= slots
            for name in set(_slots(checked)) - set(slots):
                del checked[name]
    return checked


def schedule_config(arguments: Mapping[str, Any]) -> ScheduleConfig:
    """Select the schedules among the arguments of a ScheduleLR."""
    return ScheduleConfig(_slots(arguments), arguments.get("drive") or {}, arguments.get("groups") or {})


def configured_phases(arguments: Mapping[str, Any]) -> list[PhaseConfig]:
    """List the phases of all schedules among the arguments of a ScheduleLR."""
    return [part for plan in schedule_config(arguments).plans() for part in phase_configs(plan.config, plan.where)]


def _slots(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: arguments[name] for name in PLAN_KEYS if name in arguments}


def _load_named_presets(entries: Any, where: str) -> Any:
    """Replace the names of presets among entries by their slots."""
    if not isinstance(entries, Mapping):
        return entries
    return {
        name: _slots(presets.load_preset("scheduler", entry, f"{where}.{name}")) if isinstance(entry, str) else entry
        for name, entry in entries.items()
    }

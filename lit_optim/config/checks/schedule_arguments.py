"""Check everything that a spec gives to a ScheduleLR, without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from lit_optim.config.checks.keyword_arguments import check_call
from lit_optim.config.checks.lightning_keys import LIGHTNING_KEYS, check_lightning_keys, check_reduce_on_plateau
from lit_optim.config.checks.nested_objects import NestedCheck
from lit_optim.config.checks.slots import check_slots, take_misplaced, without_aliases
from lit_optim.config.read import presets
from lit_optim.config.read.spec import DEFAULT_TARGETS, Spec, read_spec
from lit_optim.duration import COUNT, is_count
from lit_optim.errors import ConfigError, Problems, wrong
from lit_optim.scheduler.drive import PLAN_KEYS, ScheduleConfig
from lit_optim.schedules.plan.phase_configs import PhaseConfig, phase_configs
from lit_optim.schedules.plan.shape_factory import shape_factory
from lit_optim.schedules.shapes.plateau import plateau


def _schedule_lr(
    optimizer: Any,
    warmup: Any = None,
    main: Any = None,
    cooldown: Any = None,
    *,
    phases: Mapping[str, Any] | None = None,
    order: Sequence[str] | None = None,
    noise: Mapping[str, Any] | None = None,
    drive: Mapping[str, Any] | None = None,
    groups: Mapping[str, Any] | None = None,
    total_steps: int | None = None,
    steps_per_epoch: int | None = None,
    monitor: str | None = None,
    mode: Literal["min", "max"] = "min",
    interval: Literal["step", "epoch"] = "step",
    frequency: int = 1,
) -> None:
    """Hold the signature of ScheduleLR, whose module imports torch."""


_schedule_lr.__name__ = "ScheduleLR"  # as messages call it


def check_schedule_arguments(
    spec: Spec, check_nested: NestedCheck | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check and coerce the arguments of a ScheduleLR, and return them and the keys that are Lightning's.

    Args:
        spec: of a ScheduleLR.
        check_nested: checks the arguments of objects inside the arguments.

    Raises:
        ConfigError: with all that is wrong.

    Example:
        >>> spec = Spec("lit_optim.ScheduleLR", {"warmup_epochs": 2, "interval": "epoch"}, "scheduler")
        >>> arguments, lightning_keys = check_schedule_arguments(spec)
        >>> arguments["warmup"]["steps"], lightning_keys
        ('2ep', {'interval': 'epoch'})
    """
    problems = Problems()
    given = without_aliases(spec.arguments)
    lightning_keys = {name: given.pop(name) for name in LIGHTNING_KEYS if name in given}
    check_lightning_keys(lightning_keys, spec.key, problems)
    take_misplaced(given, spec.key, problems)
    if isinstance(groups := given.get("groups"), Mapping):
        try:
            given["groups"] = {name: _slots_of_spec(each, f"{spec.key}.groups.{name}") for name, each in groups.items()}
        except ConfigError as error:
            del given["groups"]
            problems.take(error)
    arguments = check_call(_schedule_lr, given, spec.key, problems, supplied=1, finite=True, check_nested=check_nested)
    arguments = check_driven_values(arguments, spec.key, problems)
    epoch = arguments.get("steps_per_epoch")
    if epoch is not None and not is_count(epoch):
        problems.add(f"{spec.key}.steps_per_epoch", epoch, COUNT)
    problems.raise_if_any()
    check_reduce_on_plateau(lightning_keys, spec.key, problems, by_metric=has_plateau(configured_phases(arguments)))
    problems.raise_if_any()
    return arguments, lightning_keys


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
    return [phase for plan in schedule_config(arguments).plans() for phase in phase_configs(plan.config, plan.where)]


def has_plateau(phases: Iterable[PhaseConfig]) -> bool:
    """Return whether a metric drives one of the phases."""
    return any(shape_factory(phase.options["shape"], phase.key) is plateau for phase in phases)


def _slots(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: arguments[name] for name in PLAN_KEYS if name in arguments}


def _slots_of_spec(entry: Any, where: str) -> Any:
    """Replace a whole spec of a ScheduleLR, e.g. a preset that Hydra has composed, by its slots."""
    if not isinstance(entry, Mapping) or "_target_" not in entry:
        return entry
    spec = read_spec(entry, "scheduler", where)
    if spec.path != DEFAULT_TARGETS["scheduler"]:
        rule = "single groups have no scheduler of their own; write a preset's name, or slots: {main: {shape: step}}"
        raise ConfigError(wrong(f"{where}._target_", spec.path, rule))
    return {name: value for name, value in spec.arguments.items() if name != "groups" or value}


def _load_named_presets(entries: Any, where: str) -> Any:
    """Replace the names of presets among entries by their slots."""
    if not isinstance(entries, Mapping):
        return entries
    return {
        name: _slots(presets.load_preset("scheduler", entry, f"{where}.{name}")) if isinstance(entry, str) else entry
        for name, entry in entries.items()
    }

"""Check the slots of a ScheduleLR, as far as the length of the run does not matter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lit_optim.config.checks.coerce import Mismatch, coerce
from lit_optim.config.checks.keyword_arguments import check_call
from lit_optim.duration import RunLength, parse
from lit_optim.errors import ConfigError, Problems, wrong
from lit_optim.scheduler.drive import PLAN_KEYS
from lit_optim.schedules.plan.compose_plan import compose_plan
from lit_optim.schedules.plan.foreign_names import WORDS, meaning_elsewhere
from lit_optim.schedules.plan.phase_configs import SLOT_KEYS, SLOTS, PhaseConfig, phase_configs, slot
from lit_optim.schedules.plan.shape_factory import accepted_arguments, length_arguments, shape_factory

# timm's and transformers' spellings -> the slot and its key
ALIASES = {
    "warmup_steps": ("warmup", "steps"),
    "warmup_epochs": ("warmup", "steps"),
    "warmup_ratio": ("warmup", "steps"),
    "min_lr": ("main", "min_lr"),
}
SCHEDULE_KEYS = (*PLAN_KEYS, "drive", "groups", "total_steps", "steps_per_epoch")  # of a ScheduleLR
TRIAL_RUN = RunLength(total_steps=1000, steps_per_epoch=100)


def without_aliases(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Replace other libraries' spellings by ours.

    Example:
        >>> without_aliases({"warmup": {"steps": 0, "shape": "linear"}, "warmup_epochs": 2})
        {'warmup': {'shape': 'linear', 'steps': '2ep'}}
    """
    given = {k: v for k, v in arguments.items() if k not in ALIASES}
    used = [alias for alias in ALIASES if alias in arguments]
    several = [alias for alias in used if alias.startswith("warmup_")]
    if len(several) > 1:
        raise ConfigError(f"scheduler: give one of {', '.join(several)}; they all mean warmup.steps")
    ratio = arguments.get("warmup_ratio", 0.5)
    if isinstance(ratio, (int, float)) and not 0 <= ratio < 1:
        raise ConfigError(wrong("scheduler.warmup_ratio", ratio, "a share of the run below 1; write e.g. 0.06"))
    for alias in used:
        (name, key), value = ALIASES[alias], arguments[alias]
        if alias == "warmup_epochs":
            try:
                value = f"{coerce(value, float):g}ep"
            except Mismatch:
                raise ConfigError(wrong(f"scheduler.{alias}", value, "expects a number of epochs, e.g. 2")) from None
        given[name] = {**slot(given.get(name), name), key: value}
    return given


def take_misplaced(arguments: dict[str, Any], key: str, problems: Problems) -> None:
    """Remove the arguments that belong to ``main``: ``scheduler.end_factor`` for ``scheduler.main.end_factor``.

    Args:
        arguments: of a ScheduleLR.
        key: dotted name of the scheduler.
        problems: collects what was removed.
    """
    main = arguments.get("main")
    shape = main.get("shape") if isinstance(main, Mapping) else None
    try:
        accepted = accepted_arguments(shape_factory(shape, key))
    except ConfigError:
        return
    for name in [name for name in arguments if name not in SCHEDULE_KEYS and (name in accepted or name in WORDS)]:
        tail = f"; write {key}.main.{name}" if name in accepted else meaning_elsewhere(name, accepted, key)
        problems.add(f"{key}.{name}", arguments.pop(name), f"ScheduleLR has no argument {name!r}{tail}")


def check_slots(slots: Mapping[str, Any], key: str, problems: Problems) -> dict[str, Any]:
    """Convert slots, or phases, to their full form, and collect all problems.

    Names, types and ranges are tried on a run of some length, each phase by itself.

    Args:
        slots: ``warmup``, ``main``, ``cooldown``, or ``phases`` and ``order``; ``noise``.
        key: dotted name of the schedule.
        problems: collects what is wrong.
    """
    if slots.get("noise"):
        _try_slots({"noise": slots["noise"]}, key, problems)
    named = bool(slots.get("phases") or slots.get("order"))
    try:
        phases = phase_configs(slots, key)
    except ConfigError as error:
        problems.take(error)
        phases = [] if named else phase_configs({**slots, "main": None}, key)  # of the slots, only main can be no slot
    warm = any(phase.is_warmup and has_length(phase.steps) for phase in phases)
    options = {phase.name: _check_phase(phase, key, problems, warm=warm) for phase in phases}
    if named:
        return {**{k: v for k, v in slots.items() if k not in SLOTS}, "phases": options}
    return {**slots, **options}


def has_length(steps: Any) -> bool:
    """Return whether a phase has steps; True for an invalid length, which another check reports."""
    try:
        return parse(steps).amount > 0
    except ConfigError:
        return True


def _check_phase(phase: PhaseConfig, key: str, problems: Problems, *, warm: bool) -> dict[str, Any]:
    """Convert the arguments of one phase; ``warm``: a warmup comes before it, or it is one."""
    full, found = phase.options, Problems()
    if phase.name in SLOTS and {*map(type, full.values())} <= {str, int} and full == slot(None, phase.name):
        return dict(full)  # the default, which every preset spells out
    try:
        if "steps" in full:
            parse(full["steps"], phase.steps_key)
        shape = shape_factory(full["shape"], f"{phase.key}.shape")
    except ConfigError as error:
        problems.take(error)
        return dict(full)
    # absolute values are relative to an lr, which is not known here
    absolute = {k: _check_absolute(full[k], f"{phase.key}.{k}", found) for k in ("min_lr", "max_lr") if k in full}
    options = check_call(
        shape,
        {k: v for k, v in full.items() if k not in SLOT_KEYS},
        phase.key,
        found,
        supplied=1,
        finite=True,
        unchecked=length_arguments(shape),
        suggest=lambda name, known: meaning_elsewhere(name, [*known, *SLOT_KEYS]),
    )
    if not found:
        low = absolute.get("min_lr")  # an lr of 1 is tried, and what is relative to it has to be below
        floor = {"min_lr": min(low, 0.5)} if isinstance(low, float) and low >= 0 else {}
        trial = {"shape": shape, "steps": 10 if phase.is_warmup else 100, **options, **floor}
        slots: dict[str, Any] = {**({"warmup": {"steps": 10}} if warm else {}), phase.name: trial}
        if "phases" in phase.key:
            slots = {"phases": slots, "order": [*slots]}
        elif phase.name == "main":  # it takes the rest of the run
            del trial["steps"]
        _try_slots(slots, key, found)
    problems.extend(found)
    return {**{k: full[k] for k in ("steps", "shape") if k in full}, **options, **absolute}


def _try_slots(slots: Mapping[str, Any], key: str, problems: Problems) -> None:
    try:
        compose_plan(slots, TRIAL_RUN, key=key)
    except ConfigError as error:
        problems.take(error)


def _check_absolute(value: Any, key: str, problems: Problems) -> Any:
    try:
        number = coerce(value, float)
    except Mismatch as mismatch:
        problems.add(key, value, str(mismatch))
        return value
    if not 0 <= number < math.inf:
        problems.add(key, value, "must be an absolute lr of at least 0")
    return number

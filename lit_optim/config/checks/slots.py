"""The slots of a ScheduleLR, as far as they can be checked before the length of the run is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lit_optim.config.checks.call import check_call
from lit_optim.config.checks.coerce import Mismatch, coerce
from lit_optim.duration import RunLength, parse
from lit_optim.errors import ConfigError, Problems, wrong
from lit_optim.schedules.plan.compose_plan import compose_plan
from lit_optim.schedules.plan.foreign_names import WORDS, meaning_elsewhere
from lit_optim.schedules.plan.shape_factory import accepted_arguments, length_arguments, shape_factory
from lit_optim.schedules.plan.slots import SLOT_KEYS, SLOTS, PhaseConfig, phase_configs, slot

# timm's and transformers' spellings -> the slot and its key
ALIASES = {
    "warmup_steps": ("warmup", "steps"),
    "warmup_epochs": ("warmup", "steps"),
    "warmup_ratio": ("warmup", "steps"),
    "min_lr": ("main", "min_lr"),
}
KEYS = (*SLOTS, "phases", "order", "noise", "drive", "groups", "total_steps", "steps_per_epoch")  # of a ScheduleLR
TRIAL_RUN = RunLength(total_steps=1000, steps_per_epoch=100)
TRIAL_STEPS = {"warmup": 10}


def without_aliases(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Other libraries' spellings in ours.

    Example:
        >>> without_aliases({"warmup": {"steps": 0, "shape": "linear"}, "warmup_epochs": 2})
        {'warmup': {'shape': 'linear', 'steps': '2ep'}}
    """
    given = {k: v for k, v in arguments.items() if k not in ALIASES}
    several = [alias for alias in ALIASES if alias in arguments and alias.startswith("warmup_")]
    if len(several) > 1:
        raise ConfigError(f"scheduler: give one of {', '.join(several)}; they all mean warmup.steps")
    ratio = arguments.get("warmup_ratio", 0.5)
    if isinstance(ratio, (int, float)) and not 0 <= ratio < 1:
        raise ConfigError(wrong("scheduler.warmup_ratio", ratio, "a share of the run below 1; write e.g. 0.06"))
    for alias, (name, key) in ALIASES.items():
        if alias in arguments:
            value = arguments[alias]
            if alias == "warmup_epochs":
                try:
                    value = f"{coerce(value, float):g}ep"
                except Mismatch:
                    rule = "expects a number of epochs, e.g. 2"
                    raise ConfigError(wrong("scheduler.warmup_epochs", value, rule)) from None
            given[name] = {**slot(given.get(name), name), key: value}
    return given


def take_misplaced(arguments: dict[str, Any], key: str, problems: Problems) -> None:
    """Takes out what belongs to ``main``: ``scheduler.end_factor`` says nothing, ``scheduler.main.end_factor`` does.

    Args:
        arguments: of a ScheduleLR.
        key: dotted name of the scheduler.
        problems: collects what was taken.
    """
    main = arguments.get("main")
    shape = main.get("shape") if isinstance(main, Mapping) else None
    try:
        accepted = accepted_arguments(shape_factory(shape, key))
    except ConfigError:
        return
    for name in [name for name in arguments if name not in KEYS and (name in accepted or name in WORDS)]:
        tail = f"; write {key}.main.{name}" if name in accepted else meaning_elsewhere(name, accepted, key)
        problems.add(f"{key}.{name}", arguments.pop(name), f"ScheduleLR has no argument {name!r}{tail}")


def check_slots(slots: Mapping[str, Any], key: str, problems: Problems) -> dict[str, Any]:
    """Slots, or phases, in full form and coerced; what is wrong goes into ``problems``.

    Names, types and ranges are tried on a run of some length, each phase by itself.

    Args:
        slots: ``warmup``, ``main``, ``cooldown``, or ``phases`` and ``order``; ``noise``.
        key: dotted name of the schedule.
        problems: collects what is wrong.
    """
    checked = dict(slots)
    if slots.get("noise"):
        _try({"noise": slots["noise"]}, key, problems)
    if slots.get("phases") or slots.get("order"):
        try:
            phases = phase_configs(slots, key)
        except ConfigError as error:
            problems.take(error)
            return checked
        warm = any(phase.is_warmup for phase in phases)
        options = {p.name: _check_phase(p.name, p.options, p.key, key, problems, warm) for p in phases}
        return {**{k: v for k, v in checked.items() if k not in SLOTS}, "phases": options}
    warm = False
    for name in SLOTS:
        try:
            full = slot(slots.get(name), name)
        except ConfigError as error:
            problems.take(error)
            continue
        warm = warm or (name == "warmup" and _has_length(full["steps"]))
        checked[name] = _check_phase(name, full, f"{key}.{name}", key, problems, warm)
    return checked


def _has_length(steps: Any) -> bool:
    try:
        return parse(steps).amount > 0
    except ConfigError:  # told by the check of the warmup itself
        return True


def _check_phase(
    name: str, full: Mapping[str, Any], where: str, key: str, problems: Problems, warm: bool
) -> dict[str, Any]:
    try:
        if "steps" in full:
            parse(full["steps"], PhaseConfig(name, where, full).steps_key)
        shape = shape_factory(full["shape"], f"{where}.shape")
    except ConfigError as error:
        problems.take(error)
        return dict(full)
    found = Problems()
    options = {k: v for k, v in full.items() if k not in ("steps", "shape")}
    # absolute values are relative to an lr, which is not known here
    absolute: dict[str, Any] = {
        k: _absolute(options.pop(k), f"{where}.{k}", found) for k in ("min_lr", "max_lr") if k in options
    }
    lengths = length_arguments(shape)
    options = check_call(
        shape,
        options,
        where,
        found,
        supplied=1,
        finite=True,
        unchecked=lengths,
        also=SLOT_KEYS,
        meant=meaning_elsewhere,
    )
    if not found:
        low = absolute.get("min_lr")  # an lr of 1 is tried, and what is relative to it has to be below
        floor = {"min_lr": min(low, 0.5)} if isinstance(low, float) and low >= 0 else {}
        phase = {"shape": shape, "steps": TRIAL_STEPS.get(name, 100), **options, **floor}
        before = TRIAL_STEPS if warm and name != "warmup" else {}
        if "phases" in where:
            warmup = {name: {"steps": steps} for name, steps in before.items()}
            _try({"phases": {**warmup, name: phase}, "order": [*warmup, name]}, key, found)
        else:
            alone = phase if name != "main" else {k: v for k, v in phase.items() if k != "steps"}
            _try({**before, name: alone}, key, found)
    problems.extend(found)
    return {**{k: full[k] for k in ("steps", "shape") if k in full}, **options, **absolute}


def _try(slots: Mapping[str, Any], key: str, problems: Problems) -> None:
    try:
        compose_plan(slots, TRIAL_RUN, key=key)
    except ConfigError as error:
        problems.take(error)


def _absolute(value: Any, key: str, problems: Problems) -> Any:
    try:
        number = coerce(value, float)
    except Mismatch as mismatch:
        problems.add(key, value, str(mismatch))
        return value
    if not 0 <= number < math.inf:
        problems.add(key, value, "must be an absolute lr of at least 0")
    return number

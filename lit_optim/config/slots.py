"""The slots of a ScheduleLR, as far as they can be checked before the length of the run is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_optim.config.check import check_call
from lit_optim.config.coerce import Mismatch, coerce
from lit_optim.duration import Clock, parse
from lit_optim.errors import ConfigError, Problems, wrong
from lit_optim.schedules.slots import SLOT_KEYS, SLOTS, compose, length_arguments, shape_factory, slot

# timm's and transformers' spellings -> the slot and its key
ALIASES = {
    "warmup_steps": ("warmup", "steps"),
    "warmup_epochs": ("warmup", "steps"),
    "warmup_ratio": ("warmup", "steps"),
    "min_lr": ("main", "min_lr"),
}
TRIAL_RUN = Clock(total_steps=1000, steps_per_epoch=100)


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


def check_slots(arguments: Mapping[str, Any], key: str, problems: Problems) -> dict[str, Any]:
    """The arguments with every slot in full form and coerced; what is wrong goes into ``problems``.

    Names, types and ranges are tried on a run of some length, each slot by itself.
    """
    checked = dict(arguments)
    for name in SLOTS:
        where = f"{key}.{name}"
        try:
            full = slot(arguments.get(name), name)
            if "steps" in full:
                parse(full["steps"], where)
            shape = shape_factory(full["shape"], f"{where}.shape")
        except ConfigError as error:
            problems.take(error)
            continue
        found = Problems()
        options = {k: v for k, v in full.items() if k not in ("steps", "shape")}
        if "min_lr" in options:
            options["min_lr"] = _number(options["min_lr"], f"{where}.min_lr", found)
        outside = {"min_lr": options.pop("min_lr")} if "min_lr" in options else {}
        lengths = length_arguments(shape)
        options = {
            **check_call(shape, options, where, found, supplied=1, finite=True, unchecked=lengths, also=SLOT_KEYS),
            **outside,
        }
        checked[name] = {**{k: full[k] for k in ("steps", "shape") if k in full}, **options}
        if not found:
            # min_lr is relative to an lr, which is not known here
            without_floor = {k: v for k, v in options.items() if k != "min_lr"}
            steps = {"steps": 100} if name == "cooldown" else {"steps": 10} if name == "warmup" else {}
            try:
                compose({name: {"shape": shape, **steps, **without_floor}}, TRIAL_RUN, key=key)
            except ConfigError as error:
                found.take(error)
        problems.extend(found)
    return checked


def _number(value: Any, key: str, problems: Problems) -> Any:
    try:
        return coerce(value, float)
    except Mismatch as mismatch:
        problems.add(key, value, str(mismatch))
        return value

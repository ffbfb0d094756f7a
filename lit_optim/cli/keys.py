"""The keys of a preset: those it names, and those that its class takes besides."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lit_optim.cli.argument_docs import MEANINGS, RULES, SCHEDULE, argument_docs
from lit_optim.config.checks.coerce import describe
from lit_optim.config.checks.signature import call_signature
from lit_optim.schedules.plan.shape_factory import length_arguments, shape_factory
from lit_optim.schedules.plan.slots import DEFAULT_SHAPES, SLOTS, slot

GIVEN_BY_CONFIG = ("base_lr", "mode")  # arguments of shapes that stand elsewhere in a configuration
HYDRAS = ("_target_", "_partial_", "_convert_", "_recursive_", "_args_")
NO_ROLE = ("end_factor",)  # of a warmup, which ends at 1


@dataclass(frozen=True)
class Key:
    """One key: its type and default are the class's, ``preset`` is the preset's value where it is ``named`` there."""

    key: str
    type: str
    default: Any = None
    required: bool = False
    named: bool = False
    preset: Any = None
    meaning: str = ""


def of_call(
    target: Any, given: Mapping[str, Any], comments: Mapping[str, str], *, supplied: int = 0, prefix: str = ""
) -> list[Key]:
    """The keyword arguments of a class: the preset's first, then what else its signature has.

    Args:
        target: the class.
        given: keyword arguments of the preset.
        comments: of the preset, by dotted path.
        supplied: how many leading parameters are not the user's.
        prefix: dotted path of the arguments, with a dot at its end.

    Example:
        >>> from lit_optim.schedules import linear
        >>> [(key.key, key.type, key.default) for key in of_call(linear, {}, {}, supplied=1)]
        [('start_factor', 'float', 1.0), ('end_factor', 'float', 0.0)]
    """
    known, needed, *_ = call_signature(target, supplied)
    parameters, docs = inspect.signature(target).parameters, argument_docs(target)
    keys = []
    for name in [*given, *(name for name in known if name not in given)]:
        hint, required = known.get(name, Any), name in needed
        default = parameters[name].default if name in known and not required else None
        meaning = comments.get(prefix + name) or MEANINGS.get(name) or docs.get(name, "")
        keys.append(Key(prefix + name, describe(hint), default, required, name in given, given.get(name), meaning))
    return keys


def of_schedule(cls: Any, given: Mapping[str, Any], comments: Mapping[str, str]) -> list[Key]:
    """The slots of a ScheduleLR with the arguments of their shapes, then its other keys."""
    keys = [key for name in SLOTS for key in _of_slot(name, given.get(name))]
    others = {name: value for name, value in given.items() if name not in SLOTS}
    keys += [key for key in of_call(cls, others, {**SCHEDULE, **comments}, supplied=1) if key.key not in SLOTS]
    return [*keys, Key("name", "str", "lr", meaning=SCHEDULE["name"])]


def of_rules(given: Mapping[str, Any], comments: Mapping[str, str]) -> list[Key]:
    """Rules for param groups, each with its options."""
    rules = given.get("rules", [])
    keys = [] if rules else [Key("rules", "list[rule]", [], named=True, preset=[], meaning=RULES["rules"])]
    for i, rule in enumerate(rules):
        for name, value in rule.items():
            path = f"rules[{i}].{name}"
            kind = {"name": "str", "match": "mapping"}.get(name, "as the optimizer's")
            meaning = comments.get(path) or RULES.get(name) or MEANINGS.get(name, "")
            keys.append(Key(path, kind, named=True, preset=value, required=name == "match", meaning=meaning))
    return keys


def of_mapping(given: Mapping[str, Any], comments: Mapping[str, str], prefix: str = "") -> list[Key]:
    """The keys of a preset whose class is not at hand."""
    keys = []
    for name, value in given.items():
        if name not in HYDRAS:
            path = prefix + name
            keys.append(Key(path, type(value).__name__, named=True, preset=value, meaning=comments.get(path, "")))
    return keys


def _of_slot(name: str, given: Any) -> list[Key]:
    full, named = slot(given, name), given if isinstance(given, Mapping) else {}
    shape = shape_factory(full["shape"], f"{name}.shape")
    lengths = length_arguments(shape)
    known = call_signature(shape, 1).hints
    of_shape = {
        key.key: key
        for key in of_call(shape, {k: named[k] for k in known if k in named}, argument_docs(shape), supplied=1)
    }

    def key(argument: str, kind: str, default: Any, required: bool = False) -> Key:
        own = SCHEDULE.get(f"{name}.{argument}") or (of_shape[argument].meaning if argument in of_shape else "")
        meaning = own or SCHEDULE.get(argument, "")
        return Key(f"{name}.{argument}", kind, default, required, argument in named, named.get(argument), meaning)

    keys = [
        key("steps", "duration", None if name == "main" else 0),
        key("shape", "str", DEFAULT_SHAPES[name]),
    ]
    for argument, found in of_shape.items():
        if argument in GIVEN_BY_CONFIG or (name == "warmup" and argument in NO_ROLE):
            continue
        kind = found.type
        if argument in lengths:
            kind = "list[duration]" if lengths[argument] else "duration"
        relative = f"{name}.{argument}" in SCHEDULE  # its default follows from the other slots
        keys.append(key(argument, kind, None if relative else found.default, found.required))
    if "min_lr" not in of_shape:
        keys.append(key("min_lr", "float", None))
    return keys

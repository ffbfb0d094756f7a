"""Lists the keys of a preset: those it names, and those that its class takes besides."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lit_optim.cli.describe.argument_docs import COMMON_KEYS, RULE_KEYS, SCHEDULE_KEYS, argument_docs
from lit_optim.config.checks.coerce import describe
from lit_optim.config.checks.signature import call_signature
from lit_optim.config.read.spec import HYDRA_KEYS
from lit_optim.schedules.plan.phase_configs import DEFAULT_SHAPES, SLOTS, slot
from lit_optim.schedules.plan.shape_factory import length_arguments, shape_factory

GIVEN_BY_CONFIG = ("base_lr", "mode")  # arguments of shapes that stand elsewhere in a configuration


@dataclass(frozen=True)
class Key:
    """One key: its type and default are the class's; ``preset`` is the preset's value where it gives one."""

    key: str
    type: str
    required: bool = False
    default: Any = None
    in_preset: bool = False
    preset: Any = None
    meaning: str = ""


def keys_of_call(
    target: Any, given: Mapping[str, Any], comments: Mapping[str, str], *, supplied: int = 0, prefix: str = ""
) -> list[Key]:
    """List the keyword arguments of a class: the preset's first, then what else its signature has.

    Args:
        target: the class.
        given: keyword arguments of the preset.
        comments: of the preset, by dotted path.
        supplied: how many leading parameters are not the user's.
        prefix: dotted path of the arguments, with a dot at its end.

    Example:
        >>> from lit_optim.schedules import linear
        >>> [(key.key, key.type, key.default) for key in keys_of_call(linear, {}, {}, supplied=1)]
        [('start_factor', 'float', 1.0), ('end_factor', 'float', 0.0)]
    """
    known, needed, *_ = call_signature(target, supplied)
    parameters, docs = inspect.signature(target).parameters, argument_docs(target)
    keys = []
    for name in dict.fromkeys([*given, *known]):
        hint, required = known.get(name, Any), name in needed
        default = parameters[name].default if name in known and not required else None
        meaning = comments.get(prefix + name) or COMMON_KEYS.get(name) or docs.get(name, "")
        keys.append(Key(prefix + name, describe(hint), required, default, name in given, given.get(name), meaning))
    return keys


def keys_of_schedule(cls: Any, given: Mapping[str, Any], comments: Mapping[str, str]) -> list[Key]:
    """List the slots of a ScheduleLR with the arguments of their shapes, then its other keys."""
    others = {name: value for name, value in given.items() if name not in SLOTS}
    return [
        *(key for name in SLOTS for key in _keys_of_slot(name, given.get(name))),
        *(key for key in keys_of_call(cls, others, {**SCHEDULE_KEYS, **comments}, supplied=1) if key.key not in SLOTS),
        Key("name", "str", default="lr", meaning=SCHEDULE_KEYS["name"]),
    ]


def keys_of_rules(given: Mapping[str, Any], comments: Mapping[str, str]) -> list[Key]:
    """List rules for param groups, each with its options, and the factors of the lr."""
    from lit_optim.param_groups.depth import Layers  # imports torch, which `info --help` does without
    from lit_optim.param_groups.mup import Mup

    keys = []
    for part, cls in (("layers", Layers), ("mup", Mup)):
        found = keys_of_call(cls, given[part], comments, prefix=f"{part}.") if part in given else []
        keys += [key for key in found if key.key != f"{part}.key"]
    for rule_name, rule in given.get("rules", {}).items():
        for name, value in rule.items():
            path = f"rules.{rule_name}.{name}"
            kind = "mapping" if name == "match" else "as the optimizer's"
            meaning = comments.get(path) or RULE_KEYS.get(name) or COMMON_KEYS.get(name, "")
            keys.append(Key(path, kind, name == "match", None, in_preset=True, preset=value, meaning=meaning))
    return keys or [Key("rules", "mapping of rules", default={}, in_preset=True, preset={}, meaning=RULE_KEYS["rules"])]


def keys_of_mapping(given: Mapping[str, Any], comments: Mapping[str, str]) -> list[Key]:
    """List the keys of a preset whose class cannot be imported."""
    return [
        Key(name, type(value).__name__, in_preset=True, preset=value, meaning=comments.get(name, ""))
        for name, value in given.items()
        if name not in HYDRA_KEYS
    ]


def _keys_of_slot(name: str, given: Any) -> list[Key]:
    named = given if isinstance(given, Mapping) else {}
    shape = shape_factory(slot(given, name)["shape"], f"{name}.shape")
    known, lengths = call_signature(shape, 1).hints, length_arguments(shape)

    def key(argument: str, kind: str, default: Any, required: bool = False, meaning: str = "") -> Key:
        meaning = SCHEDULE_KEYS.get(f"{name}.{argument}") or meaning or SCHEDULE_KEYS.get(argument, "")
        return Key(f"{name}.{argument}", kind, required, default, argument in named, named.get(argument), meaning)

    keys = [key("steps", "duration", None if name == "main" else 0), key("shape", "str", DEFAULT_SHAPES[name])]
    for found in keys_of_call(shape, {k: named[k] for k in known if k in named}, argument_docs(shape), supplied=1):
        if found.key in GIVEN_BY_CONFIG or (name, found.key) == ("warmup", "end_factor"):  # a warmup ends at 1
            continue
        kind = {None: found.type, True: "list[duration]", False: "duration"}[lengths.get(found.key)]
        relative = f"{name}.{found.key}" in SCHEDULE_KEYS  # its default follows from the other slots
        keys.append(key(found.key, kind, None if relative else found.default, found.required, found.meaning))
    return keys if "min_lr" in known else [*keys, key("min_lr", "float", None)]

"""Read an optimizer's param group values from its preset, without torch where possible."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, cast

from lit_optim.config import capabilities
from lit_optim.config.read import presets
from lit_optim.config.read.spec import Spec
from lit_optim.errors import ConfigError, Problems
from lit_optim.scheduler.driven_value import split

QUICK = ("lr", "weight_decay", "momentum")  # any positive number is right for every class that has them
REST = "default"  # as in lit_optim.param_groups, which imports torch


class OptimizerStub:
    """Holds the param groups that a schedule reads of an optimizer."""

    def __init__(self, defaults: dict[str, Any], groups: list[tuple[str, dict[str, Any]]]) -> None:
        self.defaults = defaults
        named = len(groups) > 1  # a group alone has no name
        self.param_groups = [{**defaults, **({"name": name} if named else {}), **options} for name, options in groups]


def optimizer_stub(preset: Any, spec: Spec, rules: Any, driven: Collection[str] = ()) -> OptimizerStub:
    """Make the stub of an optimizer; its class has the optimizer's name.

    Torch is imported where the class has to be asked: about arguments that the preset does not name, values that may
    be out of range, rules that the user writes, and driven keys that only the class knows.

    Args:
        preset: what was chosen; the values of a preset that is named are known to be right.
        spec: the optimizer's, with overrides.
        rules: the ``param_groups`` spec.
        driven: keys of the groups that schedules are for.

    Raises:
        ConfigError: for what the class rejects, and for several groups where it takes one.

    Example:
        >>> from lit_optim.config.read.spec import read_spec
        >>> adamw = optimizer_stub("adamw", read_spec("adamw", "optimizer"), "no_decay")
        >>> type(adamw).__name__, [(group["name"], group["weight_decay"]) for group in adamw.param_groups]
        ('AdamW', [('default', 0.01), ('no_decay', 0.0)])
    """
    cls: type[OptimizerStub]
    if "parts" in spec.arguments:
        classes, defaults, options = _read_from_parts(spec, rules)
        cls = type(classes, (OptimizerStub,), {})
        return cls(defaults, options)
    if _is_preset_with_numbers(preset, spec, rules) and all(_gives_key(spec.arguments, key) for key in driven):
        defaults = {name: _as_default(value) for name, value in spec.arguments.items()}
        given = presets.load_preset("param_groups", rules).get("rules", {})
        options = [
            (name, {k: _related(v, defaults[k]) for k, v in rule.items() if k in defaults})
            for name, rule in given.items()
            if not defaults.keys().isdisjoint(rule)
        ]
    else:
        defaults, options = _read_from_class(spec, rules)
    groups = [(REST, {}), *options]
    name = spec.path.rpartition(".")[2]
    if len(groups) > 1 and capabilities.capabilities_of_target(spec.path).one_group:
        raise ConfigError(f"param_groups: {name} takes one group only; choose param_groups=all")
    cls = type(name, (OptimizerStub,), {})
    return cls(defaults, groups)


def _is_preset_with_numbers(preset: Any, spec: Spec, rules: Any) -> bool:
    """Return whether both specs are presets with no other changes than positive numbers at `QUICK` keys."""
    if preset not in presets.preset_names("optimizer") or rules not in presets.preset_names("param_groups"):
        return False
    own = presets.load_preset("optimizer", preset)
    return all(
        name in own and (own[name] == value or (name in QUICK and type(value) in (int, float) and 0 < value < math.inf))
        for name, value in spec.arguments.items()
    )


def _related(value: Any, default: Any) -> Any:
    """Multiply the default by a factor that is written ``x10``."""
    return default * float(value[1:]) if isinstance(value, str) and value.startswith("x") else value


def _gives_key(arguments: Mapping[str, Any], key: str) -> bool:
    return split(key)[0] in arguments or (key == "momentum" and "betas" in arguments)


def _as_default(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_as_default(item) for item in value)
    return float(value) if type(value) is int else value


def _read_from_parts(spec: Spec, rules: Any) -> tuple[str, dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """Read the classes of a composite, its defaults, and the groups that its parts may have with each rule."""
    from lit_optim.config.build.optimizer import build_on_dummy
    from lit_optim.config.build.param_groups import read_grouping
    from lit_optim.config.build.parts import check_composite, parts_of
    from lit_optim.config.build.rules import check_rules
    from lit_optim.param_groups import Relative

    checked = check_composite(spec)
    grouping, groups = check_rules(read_grouping(rules), checked), []
    for part in parts_of(checked):
        own = build_on_dummy(part.optimizer.cls, **part.optimizer.arguments).defaults
        groups.append((part.name, own))
        for rule in grouping.rules:
            options = {k: v for k, v in rule.options.items() if k in own}
            values = {k: own[k] * v.factor if isinstance(v, Relative) else v for k, v in options.items()}
            apart = values or rule.schedule is not None
            groups += [(f"{part.name}/{rule.name}", {**own, **values})] if apart else []
    classes = " + ".join(dict.fromkeys(part.optimizer.cls.__name__ for part in parts_of(checked)))
    own_values = {k: v for k, v in checked.arguments.items() if k != "parts"}
    return classes, {"lr": groups[-1][1]["lr"], **own_values}, groups


def _read_from_class(spec: Spec, rules: Any) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """Read the defaults from the class, and the checked options of the rules."""
    from lit_optim.config.build.optimizer import build_on_dummy, check_optimizer
    from lit_optim.config.build.param_groups import read_grouping
    from lit_optim.config.build.rules import check_rules
    from lit_optim.param_groups import Relative

    checked = check_optimizer(spec)
    found = check_rules(read_grouping(rules), checked).rules
    defaults = build_on_dummy(checked.cls, **checked.arguments).defaults
    return dict(defaults), [
        (rule.name, {k: defaults[k] * v.factor if isinstance(v, Relative) else v for k, v in rule.options.items()})
        for rule in found
        if rule.options or rule.schedule is not None
    ]


def scale_stub(stub: OptimizerStub, spec: Spec) -> list[str]:
    """Scale the lrs by the spec's ``lr_scaling``; return a note that says how, or that the batch size is not known.

    Args:
        stub: whose groups are scaled.
        spec: the optimizer's.

    Raises:
        ConfigError: for a wrong ``lr_scaling``.
    """
    if spec.lr_scaling is None:
        return []
    from lit_optim.config.build.lr_scaling import check_lr_scaling, scale_lr
    from lit_optim.config.build.parts import check_one_or_composite

    checked = check_one_or_composite(spec)
    scaling = check_lr_scaling(*checked, Problems())
    if scaling is None or scaling.batch_size is None:
        return ["lr_scaling multiplies the lr, by the batch size of the run: it is drawn for the base batch size"]
    return [str(scale_lr(scaling, cast("Any", stub), None))]

"""An optimizer's numbers in place of the optimizer: read from the presets, without torch where that can be."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from lit_optim.config import capabilities
from lit_optim.config.read import presets
from lit_optim.config.read.spec import Spec
from lit_optim.errors import ConfigError
from lit_optim.scheduler.driven_value import split

QUICK = ("lr", "weight_decay", "momentum")  # any positive number is right for every class that has them
REST = "default"  # as in lit_optim.param_groups, which imports torch


class OptimizerStub:
    """What a schedule reads of an optimizer."""

    def __init__(self, defaults: dict[str, Any], groups: list[tuple[str, dict[str, Any]]]) -> None:
        self.defaults = defaults
        named = len(groups) > 1  # a group alone has no name
        self.param_groups = [{**defaults, **({"name": name} if named else {}), **options} for name, options in groups]


def optimizer_stub(preset: Any, spec: Spec, rules: Any, driven: Collection[str] = ()) -> OptimizerStub:
    """The stand-in for an optimizer, of a class with its name.

    Torch is imported where the class has to be asked: about arguments that the preset does not name, values that may
    be out of range, rules of the user's own, and driven keys that only the class knows.

    Args:
        preset: what was chosen; of a preset's name the values are known to be right.
        spec: the optimizer's, with overrides.
        rules: the ``param_groups`` spec.
        driven: keys of the groups that schedules are for.

    Raises:
        ConfigError: for what the class refuses, and for several groups where it takes one.

    Example:
        >>> from lit_optim.config.read.spec import read
        >>> adamw = optimizer_stub("adamw", read_spec("adamw", "optimizer"), "no_decay")
        >>> type(adamw).__name__, [(group["name"], group["weight_decay"]) for group in adamw.param_groups]
        ('AdamW', [('default', 0.01), ('no_decay', 0.0)])
    """
    if _is_plain(preset, spec, rules) and all(_has(spec.arguments, key) for key in driven):
        defaults = {name: _number(value) for name, value in spec.arguments.items()}
        entries = [
            (rule["name"], _options(rule, defaults)) for rule in presets.load_preset("param_groups", rules)["rules"]
        ]
        path = str(spec.target)
    else:
        defaults, entries = _asked(spec, rules)
        path = spec.path
    groups = [(REST, {}), *((name, options) for name, options in entries if options)]
    name = path.rpartition(".")[2]
    if len(groups) > 1 and capabilities.of_target(path).one_group:
        raise ConfigError(f"param_groups: {name} takes one group only; choose param_groups=all")
    cls: type[OptimizerStub] = type(name, (OptimizerStub,), {})
    return cls(defaults, groups)


def _is_plain(preset: Any, spec: Spec, rules: Any) -> bool:
    if preset not in presets.preset_names("optimizer") or rules not in presets.preset_names(
        "param_groups"
    ):  # or no names at all
        return False
    own = presets.load_preset("optimizer", preset)
    changed = {name: value for name, value in spec.arguments.items() if name not in own or own[name] != value}
    return all(
        name in QUICK and name in own and type(value) in (int, float) and 0 < value < math.inf
        for name, value in changed.items()
    )


def _has(arguments: Mapping[str, Any], key: str) -> bool:
    return split(key)[0] in arguments or (key == "momentum" and "betas" in arguments)


def _number(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_number(item) for item in value)
    return float(value) if type(value) is int else value


def _options(rule: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in rule.items() if name not in ("name", "match") and name in defaults}


def _asked(spec: Spec, rules: Any) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """The defaults of the class itself, and the rules as it takes them."""
    from lit_optim.config.build.optimizer import build_on_dummy, check_optimizer, check_rules
    from lit_optim.config.build.param_groups import read_rules

    checked = check_optimizer(spec)
    found = check_rules(read_rules(rules), checked)
    defaults = build_on_dummy(checked.cls, **checked.arguments).defaults
    return dict(defaults), [(rule.name, dict(rule.options)) for rule in found]

"""Check the rules of the param groups against the optimizer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from torch import nn

from lit_optim.config.build.optimizer import CheckedOptimizer, build_on_dummy, check_nested
from lit_optim.config.build.param_groups import RULE_KEYS
from lit_optim.config.build.parts import parts_of
from lit_optim.config.checks.check_by_building import check_by_building
from lit_optim.config.checks.keyword_arguments import check_call
from lit_optim.config.checks.ranges import check_ranges
from lit_optim.errors import ConfigError, Problems, did_you_mean
from lit_optim.gradients.noise import GROUP_KEY, eta_of_group
from lit_optim.optimizers import Composite
from lit_optim.param_groups import Assignment, Grouping, Relative, Rule, owned_parameters, read_match
from lit_optim.param_groups.mup import update_rule


def check_rules(grouping: Grouping, checked: CheckedOptimizer) -> Grouping:
    """Check and coerce the options of rules; a ``weight_decay: 0`` is dropped where the optimizer has no decay.

    Raises:
        ConfigError: for options that the optimizer does not have, or whose values it rejects, and for an optimizer
            that has no rule by width where one is needed.
    """
    if not isinstance(checked.cls, type):
        return grouping
    if grouping.mup:
        update_rule(checked.cls, key=grouping.mup.key)
    if not grouping.rules:
        return grouping
    problems = Problems()
    check = _rule_check(checked, problems)
    rules = [check(rule) for rule in grouping.rules]
    problems.raise_if_any()
    return replace(grouping, rules=[rule for rule in rules if rule is not None])


def check_declared(checked: CheckedOptimizer, module: nn.Module) -> None:
    """Check what parameters declare in an attribute ``_optim`` as if it were in a rule.

    Raises:
        ConfigError: with all that is wrong.
    """
    if not isinstance(checked.cls, type):
        return
    problems = Problems()
    check = _rule_check(checked, problems)
    for parameter in owned_parameters(module):
        if options := getattr(parameter.tensor, "_optim", None):
            rule = Rule(parameter.name, read_match({"declared": "_optim"}), options, key=f"{parameter.name}._optim")
            fitting = check(rule) or rule
            for name in [name for name, value in options.items() if isinstance(value, str)]:
                if fitting.options.get(name, options[name]) != options[name]:  # groups get it as it is
                    problems.add(f"{rule.key}.{name}", options[name], "a text in Python code; write the value")
    problems.raise_if_any()


def _rule_check(checked: CheckedOptimizer, problems: Problems) -> Callable[[Rule], Rule | None]:
    """Return the function that checks one rule against an optimizer, or against the parts of a composite."""
    if checked.cls is Composite:
        parts = {part.name: part.optimizer for part in parts_of(checked)}
        return lambda rule: _check_for_parts(rule, parts, problems)
    defaults = build_on_dummy(checked.cls, **checked.arguments).defaults
    return lambda rule: _check_rule(rule, checked, defaults, problems)


def _check_rule(rule: Rule, checked: CheckedOptimizer, defaults: Mapping[str, Any], problems: Problems) -> Rule | None:
    """Return the rule with checked options; None where all that it sets has no effect."""
    cls, arguments, where, found = checked.cls, checked.arguments, rule.key, Problems()
    options = {k: v for k, v in rule.options.items() if k in defaults or k != "weight_decay" or not _is_zero(v)}
    if rule.options and not replace(rule, options=options).settings:
        return None
    ours = _keys_of_callbacks(options, where, found)
    for name in [name for name in options if name not in defaults]:
        hint = did_you_mean(name, [*defaults, *RULE_KEYS])
        found.add(f"{where}.{name}", _shown(options[name]), f"{cls.__name__} has no {name!r}{hint}")
    relative = {k: v for k, v in options.items() if isinstance(v, Relative)}
    for name, value in relative.items():
        if isinstance(defaults.get(name), bool) or not isinstance(defaults.get(name), (int, float)):
            rule_text = f"{cls.__name__} has no number {name!r} to multiply; write an absolute value"
            found.add(f"{where}.{name}", _shown(value), rule_text)
    if not found:
        options |= {k: float(defaults[k]) * v.factor for k, v in relative.items()}
        given = {**arguments, **options}
        whole = check_call(cls, given, where, found, supplied=1, finite=True, check_nested=check_nested)
        options = {k: v for k, v in whole.items() if k in options}
    if not found:
        check_ranges(cls, options, where, found)
        check_by_building(functools.partial(build_on_dummy, cls, **arguments), cls.__name__, options, where, found)
    problems.extend(found)
    return replace(rule, options={**options, **relative, **ours})


def _check_for_parts(rule: Rule, parts: Mapping[str, CheckedOptimizer], problems: Problems) -> Rule | None:
    """Check each option of a rule for the parts of a composite that have it, and reject one that none has."""
    found = Problems()
    if rule.optimizer is not None:
        parts = {rule.name: parts[rule.name]}
    elif rule.name in parts:
        found.add(rule.key, rule.name, "the name of a part of the optimizer; groups of both would have one name")
    defaults = {name: build_on_dummy(part.cls, **part.arguments).defaults for name, part in parts.items()}
    options: dict[str, Any] = {}
    known = {GROUP_KEY, *chain.from_iterable(defaults.values())}
    for name in [name for name, value in rule.options.items() if name not in known]:
        if name != "weight_decay" or not _is_zero(rule.options[name]):
            hint = did_you_mean(name, [*known, *RULE_KEYS])
            found.add(f"{rule.key}.{name}", _shown(rule.options[name]), f"no part has {name!r}{hint}")
    for name, part in parts.items():
        own = {k: v for k, v in rule.options.items() if k in defaults[name] or k == GROUP_KEY}
        checked = _check_rule(replace(rule, options=own), part, defaults[name], found)
        options |= checked.options if checked is not None else {}
    problems.extend(dict.fromkeys(found))
    checked_rule = replace(rule, options=options)
    return None if rule.options and not checked_rule.settings else checked_rule


def options_without_effect(rules: Sequence[Rule], groups: Mapping[str, Sequence[Assignment]], has: Any) -> list[str]:
    """Word the options of rules of which no parameter is in a part that has them.

    Args:
        rules: of the param groups.
        groups: the trained parameters of each part.
        has: part -> keys that its optimizer has.

    Returns:
        One text an option.
    """
    matched = {rule for each in groups.values() for a in each for rule in a.rules}
    used = {(rule, key) for part, each in groups.items() for a in each for rule in a.rules for key in has[part]}
    return [
        f"{rule.key}.{key}: has no effect: its parameters are in parts whose optimizers have no {key!r}"
        for rule in rules
        for key, value in rule.options.items()
        if rule.name in matched and key != GROUP_KEY and (rule.name, key) not in used and not _is_zero(value)
    ]


def _is_zero(value: Any) -> bool:
    return value in (0, "0", "0.0") or value == Relative(0.0)


def _shown(value: Any) -> Any:
    return f"x{value.factor:g}" if isinstance(value, Relative) else value


def _keys_of_callbacks(options: dict[str, Any], key: str, problems: Problems) -> dict[str, Any]:
    """Remove and return the options that a callback, not the optimizer, reads from the groups."""
    if GROUP_KEY not in options:
        return {}
    try:
        return {GROUP_KEY: eta_of_group(options.pop(GROUP_KEY), key)}
    except ConfigError as error:
        problems.take(error)
        return {}

"""Read the ``param_groups`` spec as rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from lit_optim.config.read import presets
from lit_optim.config.read.class_path import name_alone
from lit_optim.config.read.plain_containers import to_plain
from lit_optim.config.read.spec import merge as merge_mappings
from lit_optim.errors import ConfigError, Problems, did_you_mean, wrong
from lit_optim.param_groups.factor_keys import read_layers, read_mup
from lit_optim.param_groups.grouping import DEFAULT, Grouping, Relative, Rule
from lit_optim.param_groups.match import read_match

KEYS = ("rules", "layers", "mup", "unmatched_rule")
FACTORS: dict[str, Callable[[Any, str], Any]] = {"layers": read_layers, "mup": read_mup}
RULE_KEYS = ("match", "freeze", "schedule", "optimizer")
_LABEL = re.compile(r"layer_\d+|mup_\w+")  # of factors on the lr, in the names of groups
_RELATIVE = re.compile(r"x\s*(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def read_grouping(spec: Any, key: str = "param_groups") -> Grouping:
    """Read rules from a preset's name, a list of names, a mapping with ``rules``, a list of rules, or None (one group).

    Raises:
        ConfigError: for unknown presets, keys and selectors, all at once.

    Example:
        >>> read_grouping({"rules": {"head": {"match": {"module": "head"}, "lr": "x10"}}}).rules[0].options
        {'lr': Relative(factor=10.0)}
    """
    given = _as_mapping(spec, key)
    problems = Problems()
    for name in given:
        if name not in KEYS:
            problems.add(f"{key}.{name}", given[name], f"no such key{did_you_mean(str(name), KEYS, list_all=True)}")
    unmatched = given.get("unmatched_rule", "error")
    if unmatched not in ("error", "warn"):
        problems.add(f"{key}.unmatched_rule", unmatched, "write error or warn")
    rules = [
        _read_rule(name, rule, where, problems)
        for name, rule, where in _named_rules(given.get("rules"), f"{key}.rules", problems)
    ]
    factors: dict[str, Any] = {}
    for name, read in FACTORS.items():
        try:
            factors[name] = None if given.get(name) is None else read(given[name], f"{key}.{name}")
        except ConfigError as error:
            problems.take(error)
    for rule in rules if any(factors.values()) else ():
        if _LABEL.fullmatch(rule.name):
            problems.add(rule.key, rule.name, "a name that groups get from layers or mup; choose another one")
    problems.raise_if_any()
    return Grouping(rules, strict=unmatched == "error", **factors)


def _as_mapping(spec: Any, key: str) -> dict[str, Any]:
    """Read a spec in any form as a mapping."""
    spec = name_alone(to_plain(spec, key))
    if spec is None:
        return {}
    if isinstance(spec, str):
        return presets.load_preset("param_groups", spec, key)
    if isinstance(spec, (list, tuple)) and spec and all(isinstance(name, str) for name in spec):
        merged: dict[str, Any] = {}
        for i, name in enumerate(spec):
            merged = merge_mappings(merged, presets.load_preset("param_groups", name, f"{key}[{i}]"))
        return merged
    return dict(spec) if isinstance(spec, Mapping) else {"rules": spec}


def _named_rules(rules: Any, key: str, problems: Problems) -> list[tuple[str, Any, str]]:
    """List (name, rule, dotted name) of rules in either form; a null in a mapping takes a rule away."""
    if rules is None:
        return []
    if isinstance(rules, Mapping):
        found = [(str(name), rule, f"{key}.{name}") for name, rule in rules.items() if rule is not None]
    elif isinstance(rules, (list, tuple)):
        found = []
        for i, rule in enumerate(rules):
            named = isinstance(rule, Mapping) and "name" in rule
            name = str(rule["name"]) if named else f"group{i + 1}"
            found.append((name, {k: v for k, v in rule.items() if k != "name"} if named else rule, f"{key}[{i}]"))
    else:
        problems.add(key, rules, "expects rules by name; write e.g. {head: {match: {module: head}, lr: x10}}")
        found = []
    for i, (name, _, where) in enumerate(found):
        if name in [other for other, *_ in found[:i]] or name == DEFAULT:
            key_of_name = where if isinstance(rules, Mapping) else f"{where}.name"
            problems.add(key_of_name, name, "a name that another group has; logs would mix them up")
        elif not name or "/" in name:
            problems.add(where, name, "a name without '/', which joins the names of rules")
    return found


def _read_rule(name: str, rule: Any, key: str, problems: Problems) -> Rule:
    empty = Rule(name, read_match({"ndim": 0}), key=key)
    if not isinstance(rule, Mapping):
        problems.add(key, rule, "a rule is a mapping; write e.g. {match: {type: norm}, weight_decay: 0}")
        return empty
    if "match" not in rule:
        problems.append(f"{key}.match: missing; write e.g. {{type: [norm, bias]}}, {{module: model.head}}")
        return empty
    try:
        match = read_match(rule["match"], f"{key}.match")
    except ConfigError as error:
        problems.take(error)
        return empty
    freeze = rule.get("freeze")
    if freeze is not None and not isinstance(freeze, bool):
        problems.add(f"{key}.freeze", freeze, "write true or false")
    options = {
        option: read_value(value, f"{key}.{option}", problems)
        for option, value in rule.items()
        if option not in RULE_KEYS
    }
    return Rule(name, match, options, freeze, rule.get("schedule"), rule.get("optimizer"), key)


def read_value(value: Any, key: str, problems: Problems) -> Any:
    """Read ``x0.5`` as a factor; leave other values as they are."""
    if not isinstance(value, str):
        return value
    if _RELATIVE.fullmatch(value.strip()):
        return Relative(float(value.strip()[1:]))
    if re.fullmatch(r"[\d.]+x|\*\s*[\d.]+|x\s*-.*", value.strip(), re.IGNORECASE):
        problems.append(wrong(key, value, "a factor is written x0.5, and is not negative"))
    return value

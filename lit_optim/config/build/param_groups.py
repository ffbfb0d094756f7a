"""Read the ``param_groups`` spec as rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_optim.config.read import presets
from lit_optim.config.read.class_path import name_alone
from lit_optim.config.read.plain_containers import to_plain
from lit_optim.errors import ConfigError, Problems, did_you_mean, wrong
from lit_optim.param_groups import Rule
from lit_optim.param_groups.parameter_type import TYPES


def read_rules(spec: Any, key: str = "param_groups") -> list[Rule]:
    """Read rules from a preset's name, a mapping with ``rules``, a list of rules, or None (one group).

    Raises:
        ConfigError: for unknown presets, keys and types, all at once.

    Example:
        >>> read_rules("no_decay")
        [Rule(types=['norm', 'bias'], options={'weight_decay': 0.0}, name='no_decay')]
    """
    spec = name_alone(to_plain(spec, key))
    if isinstance(spec, str):
        spec = presets.load_preset("param_groups", spec, key)
    if isinstance(spec, Mapping):
        unknown = [name for name in spec if name != "rules"]
        if unknown:
            raise ConfigError(wrong(f"{key}.{unknown[0]}", spec[unknown[0]], "the only key here is 'rules', a list"))
        spec = spec.get("rules")
    if spec is None:
        return []
    if not isinstance(spec, (list, tuple)):
        raise ConfigError(
            wrong(f"{key}.rules", spec, "a list of rules; write e.g. [{match: {type: norm}, weight_decay: 0}]")
        )
    problems = Problems()
    rules = [_rule(rule, f"{key}.rules[{i}]", i, problems) for i, rule in enumerate(spec)]
    names = [rule.name for rule in rules]
    for i, name in enumerate(names):
        if name in names[:i] or name == "default":
            problems.add(f"{key}.rules[{i}].name", name, "a name that another group has; logs would mix them up")
    problems.raise_if_any()
    return rules


def _rule(rule: Any, key: str, index: int, problems: Problems) -> Rule:
    if not isinstance(rule, Mapping):
        problems.add(key, rule, "a rule is a mapping; write e.g. {match: {type: norm}, weight_decay: 0}")
        return Rule([])
    match = rule.get("match")
    if not isinstance(match, Mapping) or list(match) != ["type"]:
        problems.add(f"{key}.match", match, f"write {{type: [{', '.join(TYPES)}]}}")
        return Rule([])
    given = match["type"]
    types = [given] if isinstance(given, str) else given
    if not isinstance(types, (list, tuple)) or not types or not all(isinstance(word, str) for word in types):
        problems.add(f"{key}.match.type", given, f"write one or more of {', '.join(TYPES)}, e.g. [norm, bias]")
        types = []
    for word in types:
        if word not in TYPES:
            problems.add(f"{key}.match.type", word, f"no such type{did_you_mean(str(word), TYPES, list_all=True)}")
    options = {name: value for name, value in rule.items() if name not in ("match", "name")}
    return Rule([word for word in types if word in TYPES], options, str(rule.get("name", f"group{index + 1}")))

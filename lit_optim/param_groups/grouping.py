"""Sort a module's parameters into param groups by rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lit_optim.errors import ConfigError
from lit_optim.param_groups.parameter_type import TYPES, OwnedParameter

REST = "default"


@dataclass(frozen=True)
class Rule:
    """Gives parameters of some types options of a param group.

    Args:
        types: ``norm``, ``bias``; any of them matches.
        options: keys of the param group, absolute values.
        name: of the group, for logs.
    """

    types: Sequence[str]
    options: dict[str, Any] = field(default_factory=dict)
    name: str = "group"

    def matches(self, parameter: OwnedParameter) -> bool:
        """Return whether the parameter is of one of the types."""
        return any(TYPES[name](parameter) for name in self.types)


def group_parameters(parameters: Iterable[OwnedParameter], rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """Sort parameters into param groups: the rest first, then one group per rule, each parameter in exactly one.

    Args:
        parameters: what to distribute.
        rules: the first that matches wins.

    Raises:
        ConfigError: where there is nothing to train.

    Example:
        >>> from torch import nn
        >>> from lit_optim.param_groups import owned_parameters
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
        >>> rule = Rule(["norm", "bias"], {"weight_decay": 0.0}, "no_decay")
        >>> groups = group_parameters(owned_parameters(net), [rule])
        >>> [(group["name"], len(group["params"])) for group in groups]
        [('default', 1), ('no_decay', 3)]
    """
    members: list[list[OwnedParameter]] = [[] for _ in range(len(rules) + 1)]
    for parameter in parameters:
        found = next((i for i, rule in enumerate(rules) if rule.matches(parameter)), -1)
        inherits = found < 0 or not rules[found].options  # such a rule only keeps parameters from those behind it
        members[0 if inherits else found + 1].append(parameter)
    if not any(members):
        raise ConfigError("param_groups: no parameter requires grad, so there is nothing to train")
    labels = [(REST, {}), *((rule.name, rule.options) for rule in rules)]
    return [
        {"params": [p.tensor for p in group], "name": name, **options}
        for group, (name, options) in zip(members, labels, strict=True)
        if group
    ]

"""Assign values to parameters by rules, key by key."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from lit_optim.errors import ConfigError
from lit_optim.param_groups.depth import Layers, layer_labels
from lit_optim.param_groups.mup import Mup
from lit_optim.param_groups.named_model import NamedModel, Selected
from lit_optim.param_groups.parameter_type import OwnedParameter
from lit_optim.param_groups.selectors import Match

DEFAULT = "default"


class Relative(NamedTuple):
    """A factor of the optimizer's own value, written ``x0.5``."""

    factor: float


@dataclass(frozen=True)
class Rule:
    """What a rule gives to the parameters that it matches.

    Args:
        name: in the names of groups.
        match: which parameters.
        options: keys of the param group -> absolute value, or `Relative`.
        freeze: whether the parameters are trained; None: as another rule or the module says.
        schedule: spec of a schedule for these parameters alone; None: the scheduler's.
        optimizer: spec of another optimizer for them; None: the optimizer.
        key: dotted name of its configuration.
        apart: whether its parameters have groups without any others.
    """

    name: str
    match: Match
    options: Mapping[str, Any] = field(default_factory=dict)
    freeze: bool | None = None
    schedule: Any = None
    optimizer: Any = None
    key: str = field(default="param_groups.rules", compare=False)
    apart: bool = False

    @property
    def settings(self) -> list[str]:
        """List what it sets; a rule that sets nothing gives its parameters a name."""
        own = {"freeze": self.freeze, "schedule": self.schedule, "optimizer": self.optimizer}
        return [*self.options, *(key for key, value in own.items() if value is not None)]


@dataclass(frozen=True)
class Grouping:
    """The rules of the param groups.

    Args:
        rules: in order; where two that match a parameter set one key, the later one counts.
        strict: whether a pattern that matches nothing is an error, or a warning.
        layers: decay of the lr by depth.
        mup: widths, for the factors of the maximal update parametrization.
    """

    rules: Sequence[Rule] = ()
    strict: bool = True
    layers: Layers | None = None
    mup: Mup | None = None

    def as_plain(self) -> dict[str, Any]:
        """Return the rules, and the factors of the lr, in plain containers."""
        plain = ({**vars(rule), "match": rule.match.source, "apart": None, "key": None} for rule in self.rules)
        rules = {rule["name"]: {k: v for k, v in rule.items() if v not in (None, {})} for rule in plain}
        factors = {"/layers": self.layers, "/mup": self.mup}  # no rule has such a name
        return rules | {name: {**vars(each), "key": None} for name, each in factors.items() if each}


@dataclass(frozen=True)
class Assignment:
    """What the rules say of one parameter.

    Args:
        parameter: the parameter.
        rules: names of the rules that match it, in their order; those that only freeze are left out.
        options: keys of the param group -> absolute value, or `Relative`.
        frozen: whether a rule freezes it.
        optimizer: name of the rule that chooses another optimizer for it.
        apart: those of the rules whose parameters have groups without any others, e.g. as a schedule drives them.
        order: positions of the rules, for the order of the groups.
        factors: of the lr: label in the group's name -> factor.
    """

    parameter: OwnedParameter
    rules: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    frozen: bool = False
    optimizer: str | None = None
    apart: frozenset[str] = frozenset()
    order: tuple[int, ...] = ()
    factors: Mapping[str, float] = field(default_factory=dict)


def assign(model: NamedModel, grouping: Grouping) -> list[Assignment]:
    """Apply rules and the decay by depth to all parameters of a model, those included that do not require grad.

    Args:
        model: the model.
        grouping: the rules.

    Raises:
        ConfigError: for patterns that match nothing, with the nearest names, unless the rules are not strict.

    Example:
        >>> from torch import nn
        >>> from lit_optim.param_groups import read_match
        >>> head = Rule("head", read_match({"module": "1"}), {"lr": Relative(10.0)})
        >>> bias = Rule("bias", read_match({"type": "bias"}), {"lr": 0.1, "weight_decay": 0.0})
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        >>> for each in assign(NamedModel(net), Grouping([head, bias])):
        ...     print(each.parameter.name, each.rules, each.options)
        0.weight () {}
        0.bias ('bias',) {'lr': 0.1, 'weight_decay': 0.0}
        1.weight ('head',) {'lr': Relative(factor=10.0)}
        1.bias ('head', 'bias') {'lr': 0.1, 'weight_decay': 0.0}
    """
    selected = [_select(rule, model) for rule in grouping.rules]
    _report_unmatched(model, strict=grouping.strict)
    matching: dict[OwnedParameter, tuple[int, ...]] = dict.fromkeys(model.parameters, ())
    for i, p in ((i, p) for i, parameters in enumerate(selected) for p in parameters):
        matching[p] += (i,)
    labels = layer_labels(model.module, grouping.layers) if grouping.layers else {}
    known, found = dict[tuple[int, ...], Any](), list[Assignment]()
    reading = {i for i, rule in enumerate(grouping.rules) if rule.match.reads_optim}
    for p, key in matching.items():
        if key not in known or not reading.isdisjoint(key):
            known[key] = _outcome(p, [(i, grouping.rules[i]) for i in key])
        found.append(Assignment(p, *known[key], labels.get(p.name, {})))  # type: ignore[call-arg]  # seven fields
    return found


def with_factors(assignments: Iterable[Assignment], labels: Mapping[str, Mapping[str, float]]) -> list[Assignment]:
    """Put more factors on the lr, by the names of parameters: label in the group's name -> factor."""
    return [
        replace(each, factors={**each.factors, **factors}) if (factors := labels.get(each.parameter.name)) else each
        for each in assignments
    ]


def _outcome(parameter: OwnedParameter, rules: Sequence[tuple[int, Rule]]) -> Any:
    """Let each key have the value of the last rule that sets it; return the fields from ``rules`` to ``order``."""
    options: dict[str, Any] = {}
    frozen, optimizer = False, None
    for _, rule in rules:
        if rule.match.reads_optim:
            options |= getattr(parameter.tensor, "_optim", None) or {}
        options |= rule.options
        frozen = frozen if rule.freeze is None else rule.freeze
        optimizer = optimizer if rule.optimizer is None else rule.name
    naming = [(i, rule) for i, rule in rules if rule.settings != ["freeze"]]
    return (
        tuple(rule.name for _, rule in naming),
        options,
        frozen,
        optimizer,
        frozenset(rule.name for _, rule in naming if rule.apart or rule.schedule is not None or not rule.settings),
        tuple(i for i, _ in naming),
    )


def _select(rule: Rule, model: NamedModel) -> Selected:
    before = len(model.unmatched)
    selected = rule.match.select(model)
    if not selected and rule.match.named and len(model.unmatched) == before:
        model.unmatched.append(f"{rule.key}.match: no parameter has all of this: {rule.match.source}")
    return selected


def _report_unmatched(model: NamedModel, *, strict: bool) -> None:
    """Raise or warn about patterns that have matched nothing."""
    if model.unmatched and strict:
        raise ConfigError(*model.unmatched)
    for text in model.unmatched:
        warnings.warn(text, stacklevel=4)
    model.unmatched.clear()

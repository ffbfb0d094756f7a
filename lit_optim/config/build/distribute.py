"""Distribute parameters over the parts of a composite optimizer, and build it."""

from __future__ import annotations

import functools
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lit_optim.config.build.given_groups import given_groups
from lit_optim.config.build.optimizer import (
    ONE_GROUP,
    CheckedOptimizer,
    build_on_dummy,
    route_added_groups,
    trained_by,
)
from lit_optim.config.build.parts import COMPOSITE, CheckedPart, check_composite, parts_of
from lit_optim.config.build.rules import options_without_effect
from lit_optim.config.build.without_module import NamedParameters, warn_of_shapes
from lit_optim.config.checks.parameters_fit import check_parameters_fit
from lit_optim.config.read.spec import Spec
from lit_optim.errors import ConfigError, Problems, did_you_mean, wrong
from lit_optim.gradients.noise import GROUP_KEY
from lit_optim.optimizers import Composite, keep_exact
from lit_optim.optimizers.composite import PART, Part
from lit_optim.optimizers.matrix_shape import flat_shape, is_odd_shape, takes_matrices_only
from lit_optim.param_groups import Assignment, Grouping, NamedModel, OwnedParameter, assign, merge_into_groups
from lit_optim.param_groups.grouping import with_factors
from lit_optim.param_groups.mup import update_rule, width_labels
from lit_optim.param_groups.selectors import Match
from lit_optim.state_loading.parameter_names import join_names, module_names

Routes = dict[OwnedParameter, str]


def distribute_given(
    params: Any, parts: Mapping[str, Any], lr: Any, weight_decay: Any
) -> tuple[list[dict[str, Any]], dict[str, Part], dict[Tensor, str]]:
    """Check the parts of a composite that is built without the config layer, and distribute its parameters.

    Returns:
        The groups, the parts, and the part of every parameter, frozen ones included.
    """
    own = {name: value for name, value in {"lr": lr, "weight_decay": weight_decay}.items() if value is not None}
    checked = check_composite(Spec(COMPOSITE, {**own, "parts": parts}, "Composite"))
    return _distributed(checked, params)[:3]


def build_composite(
    checked: CheckedOptimizer,
    params_or_module: Any,
    grouping: Grouping = ONE_GROUP,
    apart: Container[str] = (),
    *,
    name: str = "",
    only: Collection[Tensor] | None = None,
) -> Composite:
    """Build a composite with the param groups of the rules, crossed with its parts.

    Args:
        checked: the composite's spec, checked.
        params_or_module: a module, parameters, or param groups.
        grouping: the rules of the param groups, checked.
        apart: names of rules that a schedule drives by themselves.
        name: of the optimizer among several, which the names of its groups begin with.
        only: parameters of the module that it takes; None: all.

    Raises:
        ConfigError: for a part without parameters, parameters that no part can take, and patterns that match nothing.
    """
    groups, by_name, routes, names = _distributed(checked, params_or_module, grouping, apart, name, only)
    lr, weight_decay = checked.arguments.get("lr"), checked.arguments.get("weight_decay")
    try:
        optimizer = Composite(groups, by_name, lr=lr, weight_decay=weight_decay)
    except ConfigError as error:
        raise ConfigError(*(f"{checked.spec.key}.{problem}" for problem in error.problems)) from error
    optimizer.routes.update(routes)
    keep_exact(optimizer, names)
    if isinstance(params_or_module, nn.Module):  # also without rules: the parts split a group, whose lr they share
        by_rules = functools.partial(assign, grouping=grouping)
        route_added_groups(optimizer, NamedModel(params_or_module), grouping, by_rules, apart)
    return optimizer


def _distributed(
    checked: CheckedOptimizer,
    params: Any,
    grouping: Grouping = ONE_GROUP,
    apart: Container[str] = (),
    name: str = "",
    only: Collection[Tensor] | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Part], dict[Tensor, str], dict[Tensor, tuple[str, ...]]]:
    parts = parts_of(checked)
    if isinstance(params, nn.Module):
        model, names = NamedModel(params), module_names(params)
        assignments = trained_by(model, grouping)
        if only is not None:
            model.parameters = [p for p in model.parameters if p.tensor in only]
            assignments = [each for each in assignments if each.parameter.tensor in only]
    else:
        given, names = given_groups(params, grouping)
        tensors = [p for group in given for p in group["params"]]
        model = NamedParameters({p: names[p][0] if p in names else f"parameter {i}" for i, p in enumerate(tensors)})
        assignments = _of_groups(given, {each.tensor: each for each in model.parameters})
    routes = distribute(model, parts, checked.spec.key)
    tagged = {each.parameter: each.optimizer for each in assignments if each.optimizer is not None}
    routes.update(tagged if not isinstance(params, nn.Module) else {})
    by_part = {part.name: [each for each in assignments if routes[each.parameter] == part.name] for part in parts}
    has = {part.name: build_on_dummy(part.optimizer.cls, **part.optimizer.arguments).defaults for part in parts}
    Problems(options_without_effect(grouping.rules, by_part, has)).raise_if_any()
    groups = []
    for part in parts:
        mine = by_part[part.name]
        if grouping.mup:
            update = update_rule(part.optimizer.cls, part.optimizer.arguments.get("adjust_lr_fn"), grouping.mup.key)
            mine = with_factors(mine, width_labels(model, grouping.mup, update))
        groups += _groups_of(part, mine, apart, "/".join(filter(None, (name, part.name))))
    by_name = {part.name: Part(part.optimizer.cls, part.optimizer.arguments) for part in parts}
    return groups, by_name, {p.tensor: owner for p, owner in routes.items()}, names


def _of_groups(groups: Sequence[Mapping[str, Any]], owned: Mapping[Tensor, OwnedParameter]) -> list[Assignment]:
    """Read given param groups as rules, each for its own parameters."""
    own = ("params", "name", PART)
    options = [{k: v for k, v in group.items() if k not in own} for group in groups]
    rules = [(group["name"],) if "name" in group else () for group in groups]
    return [
        Assignment(owned[p], rules[i], options[i], optimizer=group.get(PART), order=(i,))
        for i, group in enumerate(groups)
        for p in group["params"]
    ]


def distribute(model: NamedModel, parts: Sequence[CheckedPart], key: str = "optimizer") -> Routes:
    """Return the part of every parameter of a model: the first whose selector matches, or the one that takes the rest.

    What Muon cannot take - vectors, and matrices that are nearly vectors - goes to the part that takes the rest, or
    else to that with the most parameters.

    Args:
        model: with frozen parameters.
        parts: in their order.
        key: dotted name of the composite.

    Raises:
        ConfigError: for parameters without a part, parts without parameters, and patterns that match nothing.
    """
    first: Routes = {}
    for part in parts:
        for p in part.match.select(model) if part.match is not None else ():
            first.setdefault(p, part.name)
    rest = next((part.name for part in parts if part.match is None), None)
    routes = {p: name for p in model.parameters if (name := first.get(p, rest)) is not None}
    muons = {part.name: part.match for part in parts if takes_matrices_only(part.optimizer.cls)}
    others = [part.name for part in parts if part.name not in muons]
    largest = max(others, key=[*routes.values()].count, default=None)
    forced = _without_muon(routes, muons, rest if rest in others else largest)
    problems = Problems(model.unmatched)
    for name, odd in forced.items():
        rule = f"Muon orthogonalizes matrices, and these are none: {join_names(odd)}"
        problems.append(f"{key}.parts.{name}: {rule}; let another part take them, e.g. one with {{optimizer: adamw}}")
    if left := [p.name for p in model.parameters if p not in routes]:
        remedy = "let one have no match, so that it takes the rest"
        problems.append(f"{key}.parts: no part takes {join_names(left)}; {remedy}")
    if isinstance(model, NamedParameters):
        warn_of_shapes({part.name: part.match for part in parts}, routes)
    elif not problems:
        problems += [_emptiness(part) for part in parts if part.name not in routes.values()]
    problems += _unmatched_splits(model, parts)
    problems.raise_if_any()
    return routes


def _without_muon(routes: Routes, muons: Mapping[str, Match | None], other: str | None) -> dict[str, list[str]]:
    """Give what Muon cannot take to another part.

    Returns:
        The names and shapes of what is left to a part with Muon: its selector matches nothing else, or there is no
        other part.
    """
    forced = {}
    for name, match in muons.items():
        mine = [p for p, part in routes.items() if part == name]
        odd = [p for p in mine if not suits_muon(p)]
        if other is None or (match is not None and len(odd) == len(mine)):
            forced.update({name: [f"{p.name} {_shape(p)}" for p in odd]} if odd else {})
        else:
            routes.update(dict.fromkeys(odd, other))
    return forced


def _emptiness(part: CheckedPart) -> str:
    """Return the message that a part takes no parameter, with what to write instead."""
    if part.match is not None:
        return f"{part.optimizer.spec.key}: takes no parameter; remove it, or change its match"
    muon = takes_matrices_only(part.optimizer.cls)
    suited = " that Muon suits: at least 4 rows and columns, and neither much longer" if muon else ""
    return f"{part.optimizer.spec.key}: takes no parameter: the others leave none{suited}; choose their optimizer alone"


def _unmatched_splits(model: NamedModel, parts: Sequence[CheckedPart]) -> list[str]:
    names = [place.name for p in model.parameters for place in p.places]
    return [
        wrong(f"{part.optimizer.spec.key}.split", each, f"matches no parameter{did_you_mean(each.strip('*.'), names)}")
        for part in parts
        for each in part.split
        if not any(fnmatchcase(name, each) for name in names)
    ]


def suits_muon(p: OwnedParameter) -> bool:
    """Return whether a parameter is a matrix worth orthogonalizing; of a lazy one the dimensions decide."""
    return p.ndim >= 2 if is_lazy(p.tensor) else not is_odd_shape(*flat_shape(p.tensor.shape))


def _shape(p: OwnedParameter) -> str:
    return "of unknown shape" if is_lazy(p.tensor) else str(tuple(p.tensor.shape))


def _groups_of(
    part: CheckedPart, assignments: Sequence[Assignment], apart: Container[str], name: str
) -> list[dict[str, Any]]:
    """Return the param groups of a part; without a trained parameter, an empty one for those that are frozen now."""
    spec, cls, arguments = part.optimizer
    defaults = build_on_dummy(cls, **arguments).defaults
    mine = [_of_part(each, part, defaults) for each in assignments]
    groups = merge_into_groups(mine, defaults, apart=apart, part=name) or [{"params": [], "name": name}]
    check_parameters_fit(spec, groups, [each.parameter for each in mine])
    return [{**group, PART: part.name} for group in groups]


def _of_part(assignment: Assignment, part: CheckedPart, defaults: Mapping[str, Any]) -> Assignment:
    """Keep the options that the optimizer of the part has; add the split of the parameter."""
    options = {k: v for k, v in assignment.options.items() if k in defaults or k == GROUP_KEY}
    rules = tuple(name for name in assignment.rules if name != part.name)
    names = [place.name for place in assignment.parameter.places]
    found = [rows for pattern, rows in part.split.items() if any(fnmatchcase(name, pattern) for name in names)]
    if not found:
        return replace(assignment, options=options, rules=rules)
    return replace(assignment, options={**options, "split": found[-1]}, rules=(*rules, "split"))

"""Let param groups that are added to a built optimizer obey the rules, as Lightning's finetuning callbacks add some."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Container
from dataclasses import replace
from typing import Any

from torch import nn
from torch.optim import Optimizer

from lit_optim.config.build.given_groups import given_groups
from lit_optim.param_groups import Assignment, NamedModel, merge_into_groups

NAME = "finetuning"
FOLLOWS = "lr_follows"  # in a group: the name of the group whose lr it repeats
Assign = Callable[[NamedModel], list[Assignment]]


def add_by_rules(
    optimizer_of: weakref.ref[Optimizer],
    module_of: weakref.ref[nn.Module],
    assign: Assign,
    apart: Container[str],
    default_name: str,
    group: dict[str, Any],
) -> None:
    """Add a group to a built optimizer by the rules: split it where they differ, and name its parts.

    What the group says counts before what rules say, e.g. its lr. What a rule freezes is left out, and frozen again.
    Where a group is split, its parts repeat the lr of the last one, which is all that Lightning's BackboneFinetuning
    writes, unless a schedule drives one of them by itself.

    Args:
        optimizer_of: the optimizer; copies of it take groups as they are.
        module_of: with all parameters.
        assign: applies the rules to it.
        apart: names of rules that a schedule drives by themselves.
        default_name: of a group that has none.
        group: as ``add_param_group`` takes it.
    """
    optimizer, module = optimizer_of(), module_of()
    assert optimizer is not None, "it is what calls this"
    given = given_groups([group])[0][0]
    tensors, name = {*given["params"]}, given.get("name", default_name)
    own = {key: value for key, value in given.items() if key != "params"}
    assigned = [] if module is None else [a for a in assign(NamedModel(module)) if a.parameter.tensor in tensors]
    for each in assigned:
        each.parameter.tensor.requires_grad_(not each.frozen)
    kept = [_unless_given(each, own) for each in assigned if not each.frozen]
    parts = merge_into_groups(kept, optimizer.defaults, apart=apart, part=name)[::-1]  # what no rule matches is last
    foreign = tensors - {each.parameter.tensor for each in assigned}
    parts += [{"params": [p for p in given["params"] if p in foreign], "name": name}] if foreign else []
    _name_apart(parts, {each.get("name") for each in optimizer.param_groups})
    scheduled = {rule for each in kept for rule in each.apart} | {r for each in kept for r in each.rules if r in apart}
    before = len(optimizer.param_groups)
    for part in parts:
        part[FOLLOWS] = scheduled.isdisjoint(part["name"].split("/"))
        type(optimizer).add_param_group(optimizer, {**own, **part})
    for split in optimizer.param_groups[before:]:  # a composite splits and names them once more, by its parts
        split[FOLLOWS] &= not any(name in apart for name in split["name"].split("/"))
    *others, last = optimizer.param_groups[before:] or [{}]
    leads = last.pop(FOLLOWS, False)
    for other in others:
        if other.pop(FOLLOWS) and leads:
            other[FOLLOWS] = last["name"]
    follow_from_now(optimizer)


def _unless_given(assignment: Assignment, own: dict[str, Any]) -> Assignment:
    """Leave out what the group sets by itself."""
    options = {key: value for key, value in assignment.options.items() if key not in own}
    return replace(assignment, options=options, factors={} if "lr" in own else assignment.factors)


def _name_apart(groups: list[dict[str, Any]], present: set[Any]) -> None:
    """Number the names that other groups have."""
    for group in groups:
        name, i = group["name"], 2
        while group["name"] in present:
            group["name"], i = f"{name}/{i}", i + 1
        present.add(group["name"])


def follow_from_now(optimizer: Optimizer) -> None:
    """Register the hook by which groups repeat the lr of others, once, where there are any."""
    if any(FOLLOWS in group for group in optimizer.param_groups) and FOLLOWS not in optimizer.__dict__:
        optimizer.__dict__[FOLLOWS] = optimizer.register_step_pre_hook(_follow)


def _follow(optimizer: Optimizer, *_: Any) -> None:
    """Step pre-hook: repeat the lr of the group that was added last."""
    lrs = {group["name"]: group["lr"] for group in optimizer.param_groups if "name" in group}
    for group in optimizer.param_groups:
        if group.get(FOLLOWS) in lrs:
            group["lr"] = lrs[group[FOLLOWS]]


def awaited_rules(assignments: list[Assignment], names: Container[str]) -> set[str]:
    """Return those of some rules that match parameters which are not trained yet, without being frozen by a rule."""
    waiting = [each for each in assignments if not each.frozen and not each.parameter.tensor.requires_grad]
    return {name for each in waiting for name in each.rules if name in names}

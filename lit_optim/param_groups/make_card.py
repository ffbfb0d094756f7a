"""Tabulate which rule puts which parameter into which param group, without allocating anything of their size."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from lit_optim.param_groups.card import Card, CardGroup, CardParameter
from lit_optim.param_groups.grouping import DEFAULT, Assignment, Grouping, assign
from lit_optim.param_groups.named_model import NamedModel
from lit_optim.state_loading.state_bytes import StateBytes


def make_card(
    module: nn.Module,
    optimizers: Mapping[str, Optimizer],
    grouping: Grouping | None = None,
    schedule_of: Callable[[Mapping[str, Any]], str] | None = None,
) -> Card:
    """Make the card of a module; nothing of the size of its parameters is allocated.

    Args:
        module: whose parameters are listed; they may be on the meta device.
        optimizers: built over it, by name, which goes before the names of groups; a single one may have the name "".
            One with a mapping ``parts`` counts as its parts.
        grouping: the rules that it was built with.
        schedule_of: a group -> name of the schedule that drives it.

    Example:
        >>> import torch
        >>> net = nn.Linear(3, 2)
        >>> [row] = make_card(net, {"": torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)}).groups
        >>> row.parameters, row.state_bytes
        (8, 32)
    """
    model = NamedModel(module)
    assignments, unmatched = _assigned(model, grouping or Grouping())
    frozen_by = _freezing_rules(model, grouping or Grouping())
    rows, group_of = [], dict[Tensor, str]()
    for name, group, optimizer, states in _groups(optimizers):
        group_of.update(dict.fromkeys(group["params"], name))
        rules = [assignments[p].rules for p in group["params"] if p in assignments]
        sizes = [states(group, p) for p in group["params"]]
        rows.append(
            CardGroup(
                name,
                tuple(dict.fromkeys(rule for each in rules for rule in each)),
                len(group["params"]),
                sum(map(_elements, group["params"])),
                _number(group.get("initial_lr", group.get("lr"))),
                _number(group.get("weight_decay")),
                type(optimizer).__name__,
                None if None in sizes else sum(size or 0 for size in sizes),
                schedule_of(group) if schedule_of else "",
            )
        )
    parameters = tuple(
        CardParameter(
            p.name,
            tuple(place.name for place in p.places[1:]),
            None if is_lazy(p.tensor) else tuple(p.tensor.shape),
            group_of.get(p.tensor, ""),
            assignments[p.tensor].rules,
            None if p.tensor.requires_grad else frozen_by.get(p.tensor) or "requires_grad=False",
        )
        for p in model.parameters
    )
    sizes_of = {p.tensor: _elements(p.tensor) * p.tensor.dtype.itemsize for p in model.parameters}
    weights, gradients = sum(sizes_of.values()), sum(size for p, size in sizes_of.items() if p.requires_grad)
    return Card(tuple(rows), parameters, tuple(unmatched), weights, gradients)


def _assigned(model: NamedModel, grouping: Grouping) -> tuple[dict[Tensor, Assignment], list[str]]:
    """Apply the rules; what matches nothing is returned, patterns in place of an error or a warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = assign(model, replace(grouping, strict=False))
    silent = [rule for rule in grouping.rules if not rule.match.named and not rule.match.select(model)]
    unmatched = [str(each.message) for each in caught]
    unmatched += [f"{rule.key}.match: no parameter is of this kind: {rule.match.source}" for rule in silent]
    return {each.parameter.tensor: each for each in found}, unmatched


def _freezing_rules(model: NamedModel, grouping: Grouping) -> dict[Tensor, str | None]:
    """Find the rule that decides whether a parameter is frozen; None where it is not."""
    rules = [rule for rule in grouping.rules if rule.freeze is not None]
    return {p.tensor: rule.name if rule.freeze else None for rule in rules for p in rule.match.select(model)}


def _groups(optimizers: Mapping[str, Optimizer]) -> Iterator[tuple[str, Any, Optimizer, Callable[..., int | None]]]:
    """Yield each group with its full name, its optimizer, and what finds the bytes of its state."""
    for name, whole in optimizers.items():
        parts = getattr(whole, "parts", None)
        for optimizer in parts.values() if isinstance(parts, Mapping) else [whole]:
            groups, states = optimizer.param_groups, StateBytes(optimizer)
            for i, group in enumerate(groups):
                own = group.get("name") or (DEFAULT if len(groups) == 1 else f"group{i}")
                full = own if own.split("/")[0] == name else "/".join(filter(None, [name, own]))
                yield full, group, optimizer, states


def _elements(p: Tensor) -> int:
    return 0 if is_lazy(p) else p.numel()


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float, Tensor)) else None

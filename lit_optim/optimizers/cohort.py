"""Parameters that step alike: the same rule, the same constants, the same number of steps behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lit_optim.optimizers.kernel import wide
from lit_optim.optimizers.run import Runner, Text
from lit_optim.optimizers.work import Gathered, Large, Member, is_small, packed, plain

Numbers = tuple[Any, ...]  # floats; or, where groups differ in them, tensors with one value a group


class Rule(NamedTuple):
    """A text, and the names of the state tensors that it takes, in its order."""

    text: Text
    slots: tuple[str, ...]


class Cohort:
    """One rule over parameters of one or several groups.

    Args:
        rule: the text and its state.
        members: the parameters, in order.
        groups: those they belong to; `Member.group` is a place in this list.
        counters: 0-dim tensors by name, ``step`` among them, that all members share.
        run: runs the text.
    """

    def __init__(
        self,
        rule: Rule,
        members: list[Member],
        groups: list[dict[str, Any]],
        counters: dict[str, Tensor],
        run: Runner,
    ) -> None:
        self.rule, self.members, self.groups, self.counters, self.run = rule, members, groups, counters, run
        for m in members:
            m.state.update(counters)
        first, n = plain(members[0].p), 2 + len(rule.slots)
        self.like = [first.new_empty(0)] * n
        self.like_wide = [first.new_empty(0, dtype=wide(first.dtype))] * n
        self.large = [Large(m, rule.slots) for m in members if not is_small(m.p)]
        self.gathered: list[Gathered] = packed([m for m in members if is_small(m.p)], rule.slots, run)

    def alike(self, per_group: Sequence[str]) -> Mapping[str, Any]:
        """A group in the name of all; where they differ, it holds tensors with a value for each."""
        first = self.groups[0]
        varying = {}
        if len(self.groups) > 1:
            for name in per_group:
                if name in first:
                    varying[name] = [float(group[name]) for group in self.groups]
        if any(values.count(values[0]) != len(values) for values in varying.values()):
            return {**first, **{name: torch.tensor(values, dtype=torch.float64) for name, values in varying.items()}}
        numbers = {name: float(first[name]) for name in per_group if isinstance(first.get(name), Tensor)}
        return {**first, **numbers} if numbers else first

    def largest(self, per_group: Sequence[str]) -> Mapping[str, Any]:
        """A group that costs what the dearest of all does: with the largest number of each kind."""
        first = self.groups[0]
        if len(self.groups) == 1:
            return first
        return {**first, **{name: max(float(g[name]) for g in self.groups) for name in per_group if name in first}}

    def step(self, numbers: Numbers, flags: dict[str, Any], negated: bool) -> list[tuple[Member, Any]]:
        """Runs the text over all members.

        Returns:
            What the text has returned, each with one of the parameters that it is about.
        """
        rows = _rows(numbers, len(self.groups))
        text, run, like, sums = self.rule.text, self.run, self.like, []
        if self.large:
            call = run.bind(text, like, rows[0], flags, negated)
            for large in self.large:
                row = rows[large.member.group] if len(rows) > 1 else rows[0]
                sums += [(large.member, found) for found in large.step(call, row)]
        if self.gathered:
            call = run.bind(text, self.like_wide, numbers, flags, negated)
            for gathered in self.gathered:
                sums += [(gathered.members[0], found) for found in gathered.step(call, numbers)]
        return sums


def _rows(numbers: Numbers, groups: int) -> list[Numbers]:
    """The numbers of each group; one row for all where they do not differ.

    Example:
        >>> _rows((torch.tensor([1.0, 2.0]), 3.0), 2)
        [(1.0, 3.0), (2.0, 3.0)]
    """
    if not any(isinstance(value, Tensor) for value in numbers):
        return [numbers]
    columns = [value.tolist() if isinstance(value, Tensor) else [value] * groups for value in numbers]
    return list(zip(*columns, strict=True))

"""Parameters that step alike: the same rule, the same constants, the same number of steps behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lit_optim.engine.compile_rule import compute_dtype
from lit_optim.engine.flat_bucket import ParamState, SingleTensor, is_small, packed, plain_tensor
from lit_optim.engine.run_rule import Runner, Text

Numbers = tuple[Any, ...]  # floats; or, where groups differ in them, tensors with one value a group


class Rule(NamedTuple):
    """A text, and the names of the state tensors that it takes, in its order."""

    text: Text
    slots: tuple[str, ...]


class ParamBucket:
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
        members: list[ParamState],
        groups: list[dict[str, Any]],
        counters: dict[str, Tensor],
        run: Runner,
    ) -> None:
        self.rule, self.members, self.groups, self.counters, self.run = rule, members, groups, counters, run
        for m in members:
            m.state.update(counters)
        self.device = members[0].p.device
        first, n = plain_tensor(members[0].p), 2 + len(rule.slots)
        self.like = [first.new_empty(0)] * n
        self.like_wide = [first.new_empty(0, dtype=compute_dtype(first.dtype))] * n
        small = [is_small(m.p, run.compile) for m in members]
        self.large = [SingleTensor(m, rule.slots) for m, so in zip(members, small, strict=True) if not so]
        self.gathered = packed([m for m, so in zip(members, small, strict=True) if so], rule.slots, run)
        self._bound: tuple[Any, ...] = ((), None, None, None)

    def in_place(self) -> bool:
        """Whether parameters and their state are where they were; ``tensor.data = tensor.data.to(...)`` moves them.

        Who moves one moves all: only the first of them are asked.
        """
        return self.members[0].p.device == self.device and all(gathered.in_place() for gathered in self.gathered)

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

    def step(self, numbers: Numbers, flags: dict[str, Any], negated: bool) -> list[tuple[ParamState, Any]]:
        """Runs the text over all members.

        Returns:
            What the text has returned, each with one of the parameters that it is about.
        """
        varying = len(self.groups) > 1 and any(isinstance(value, Tensor) for value in numbers)
        by_row = self.large or any(gathered.group is not None for gathered in self.gathered)
        rows = _rows(numbers, len(self.groups)) if varying and by_row else [numbers]
        call, call_wide, call_mixed = self._bind(numbers, rows[0], flags, negated, varying)
        sums: list[tuple[ParamState, Any]] = []
        for large in self.large:
            found = large.step(call, rows[large.member.group] if varying else numbers)
            if found:
                sums += [(large.member, one) for one in found]
        for gathered in self.gathered:
            if varying and gathered.group is None:
                found = gathered.step(call_mixed, numbers, varying)
            else:
                found = gathered.step(call_wide, rows[gathered.group or 0] if varying else numbers, False)
            if found:
                sums += [(gathered.members[0], one) for one in found]
        return sums

    def _bind(self, numbers: Numbers, row: Numbers, flags: dict[str, Any], negated: bool, varying: bool) -> Any:
        """The text with its constants, for large tensors, and for gathered ones of one group and of several."""
        mask = tuple(isinstance(value, Tensor) for value in numbers) if varying else ()
        key = (mask, negated, *flags.values(), torch.get_num_threads())
        if key != self._bound[0]:
            text, run = self.rule.text, self.run
            call = run.bind(text, self.like, row, flags, negated) if self.large else None
            mixed = [varying and gathered.group is None for gathered in self.gathered]
            call_wide = run.bind(text, self.like_wide, row, flags, negated) if not all(mixed) else None
            call_mixed = run.bind(text, self.like_wide, numbers, flags, negated) if any(mixed) else None
            self._bound = (key, call, call_wide, call_mixed)
        return self._bound[1:]


def largest(group: Mapping[str, Any], per_group: Sequence[str]) -> Mapping[str, Any]:
    """A group that costs what the dearest of all does: with the largest of several numbers.

    Example:
        >>> largest({"lr": torch.tensor([0.1, 0.0]), "eps": 0.5}, ["lr"])["lr"] > 0
        True
    """
    several = {name: float(group[name].max()) for name in per_group if isinstance(group.get(name), Tensor)}
    return {**group, **several} if several else group


def _rows(numbers: Numbers, groups: int) -> list[Numbers]:
    """The numbers of each group, some of which are tensors with one value a group.

    Example:
        >>> _rows((torch.tensor([1.0, 2.0]), 3.0), 2)
        [(1.0, 3.0), (2.0, 3.0)]
    """
    columns = [value.tolist() if isinstance(value, Tensor) else [value] * groups for value in numbers]
    return list(zip(*columns, strict=True))

"""Update parameters that share a rule, its constants and the number of steps taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lit_optim.engine.flat_bucket import FlatBucket, flat_buckets, is_small
from lit_optim.engine.param_state import ParamState
from lit_optim.engine.run_rule import BoundRule, RuleSpec, Scalars, ScratchPool
from lit_optim.engine.single_tensor import SingleTensor


class ParamBucket:
    """Runs one rule over parameters of one or several groups.

    Args:
        rule: what is run.
        members: the parameters, in order.
        groups: those they belong to; `ParamState.group` is an index into this list.
        counters: 0-dim tensors by name, ``step`` among them, that all members share.
        scratch: memory for blocks.
    """

    def __init__(
        self,
        rule: RuleSpec,
        members: list[ParamState],
        groups: list[dict[str, Any]],
        counters: dict[str, Tensor],
        scratch: ScratchPool,
    ) -> None:
        self.rule, self.members, self.groups, self.counters, self.scratch = rule, members, groups, counters, scratch
        self.compile: bool = groups[0]["compile"]
        self.device = members[0].p.device
        for m in members:
            m.state.update(counters)
        small = [is_small(m.p, self.compile) for m in members]
        singles = [SingleTensor(m, rule.state) for m, so in zip(members, small, strict=True) if not so]
        self.flat = flat_buckets([m for m, so in zip(members, small, strict=True) if so], rule.state, scratch)
        self.parts: list[SingleTensor | FlatBucket] = [*singles, *self.flat]
        self._bound: tuple[Any, BoundRule | None] = ((), None)

    def is_valid(self) -> bool:
        """Return whether parameters and state are still on this device and in this memory.

        Only the first parameter is checked: module.to() moves all or none.
        """
        return self.members[0].p.device == self.device and all(flat.is_valid() for flat in self.flat)

    def group_values(self, per_group: Sequence[str]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Merge the groups into one: per-group values become tensors where they differ; also return the largest."""
        first = self.groups[0]
        if len(self.groups) == 1:
            values = {name: float(first[name]) for name in per_group if isinstance(first.get(name), Tensor)}
            group = {**first, **values} if values else first
            return group, group
        columns = {name: [float(group[name]) for group in self.groups] for name in per_group if name in first}
        largest = {**first, **{name: max(column) for name, column in columns.items()}}
        if all(column.count(column[0]) == len(column) for column in columns.values()):
            return largest, largest
        tensors = {name: torch.tensor(column, dtype=torch.float64) for name, column in columns.items()}
        return {**first, **tensors}, largest

    def step(self, scalars: Scalars, static_args: dict[str, Any], *, maximize: bool) -> list[tuple[ParamState, Any]]:
        """Run the rule over all members.

        Returns:
            What the rule has returned, each with one of the parameters that it is about.
        """
        differ = len(self.groups) > 1 and any(isinstance(value, Tensor) for value in scalars)
        rows = [scalars] * len(self.groups)
        if differ and any(part.group is not None for part in self.parts):
            rows = _rows(scalars, len(self.groups))
        rule = self._bind(scalars if differ else (), static_args, maximize)
        outputs: list[tuple[ParamState, Any]] = []
        for part in self.parts:
            mixed = differ and part.group is None
            found = part.step(rule, scalars if mixed else rows[part.group or 0], mixed=mixed)
            if found:
                outputs += [(part.member, output) for output in found]
        return outputs

    def _bind(self, differing: Scalars, static_args: dict[str, Any], maximize: bool) -> BoundRule:
        key = ([isinstance(value, Tensor) for value in differing], maximize, static_args, torch.get_num_threads())
        known, rule = self._bound
        if rule is None or key != known:
            rule = BoundRule(self.rule, static_args, maximize=maximize, compile=self.compile, scratch=self.scratch)
            self._bound = (key, rule)
        return rule


def _rows(scalars: Scalars, groups: int) -> list[Scalars]:
    """Return the scalars of each group, of tensors with one value per group."""
    columns = [value.tolist() if isinstance(value, Tensor) else [value] * groups for value in scalars]
    return [type(scalars)(*row) for row in zip(*columns, strict=True)]

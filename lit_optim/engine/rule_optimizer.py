"""The only ``step()``: a subclass names a rule, its state and its numbers; everything else is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from lit_optim.engine.arguments import check_bools
from lit_optim.engine.bucket_cache import BucketCache, identity_snapshot, partition
from lit_optim.engine.flat_bucket import ParamState
from lit_optim.engine.param_bucket import Numbers, ParamBucket, Rule, largest
from lit_optim.engine.parameters import check_gradients, check_parameters
from lit_optim.engine.run_rule import Runner
from lit_optim.engine.state_dict import counter, own, own_loaded, own_state
from lit_optim.engine.without_unused_hooks import without_unused_hooks
from lit_optim.errors import ConfigError
from lit_optim.state_loading.compatible_state import compatible_state
from lit_optim.step_hooks import is_state_init_step

__all__ = ["Numbers", "ParamsT", "Rule", "RuleOptimizer", "Sums"]


# a group, a parameter that the numbers are about, and what the text has returned
Sums = tuple[dict[str, Any], Tensor, tuple[Tensor, ...]]


class RuleOptimizer(Optimizer):
    """An optimizer made of a rule: in-place operations on 1-D tensors that read as the paper.

    A subclass says which text it is (`rule`), with which constants (`flags`) and numbers (`numbers`). Parameters of
    equal constants and equal step count are a bucket: large ones are walked over as they lie in memory, small ones
    gathered into one tensor; groups that differ in `per_group` only share a call. All that matters to the result is in
    ``param_groups``, ``state`` and ``defaults``; the arrangement is made anew whenever it does not fit them any more.

    Args:
        params: parameters, named parameters or groups of them.
        defaults: hyper-parameters of groups; ``maximize`` and ``compile`` must be among them.
    """

    per_group: ClassVar[tuple[str, ...]] = ("lr", "weight_decay")
    counters: ClassVar[dict[str, float]] = {"step": 0.0}
    checks_what_it_loads: ClassVar[bool] = True
    merges: ClassVar[bool] = True  # whether parameters of several groups may share a call
    notes: ClassVar[tuple[str, ...]] = ()  # keys of groups that no text depends on

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)

    def check(self, group: dict[str, Any]) -> None:
        """Raises ConfigError for values of a group that are out of range."""

    def rule(self, group: Mapping[str, Any]) -> Rule:
        """The text for a group; may depend on anything but `per_group`."""
        raise NotImplementedError

    def flags(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Constants of the text, truthy where they cost something."""
        return {}

    def numbers(self, counters: Mapping[str, float], group: Mapping[str, Any], flags: Mapping[str, Any]) -> Numbers:
        """The numbers of the text at a step (``counters["step"]`` from 1); arithmetic only, for lrs may be vectors."""
        raise NotImplementedError

    def advance(self, counters: dict[str, float], group: Mapping[str, Any]) -> dict[str, float]:
        """The counters after one more step."""
        return {"step": counters["step"] + 1}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters, checked like the first ones, that begin at their own first step."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            self._as_tuples(group)
            check_bools(group, "maximize", "compile")
            self.check(group)
            check_parameters(type(self).__name__, (p for each in self.param_groups for p in each["params"]))
        except ConfigError:
            self.param_groups.pop()
            raise

    def _as_tuples(self, group: dict[str, Any]) -> None:
        """Lists of YAML files and checkpoints, which could be changed behind our back, as tuples."""
        group.update({name: tuple(group[name]) for name in self.defaults if isinstance(group.get(name), list)})

    @without_unused_hooks
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Takes one step; with a closure, which is called once with gradients enabled, returns its loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        buckets = self._cohorts()
        if closure is None and is_state_init_step(self, (bucket.counters["step"] for bucket in buckets)):
            return loss
        steps = [self._numbered(bucket) for bucket in buckets]  # all of them before anything is changed
        sums = []
        for bucket, after, numbers, flags, negated in steps:
            try:
                found = bucket.step(numbers, flags, negated)
            except RuntimeError:
                check_gradients(type(self).__name__, (m.p for m in bucket.members))
                raise
            for name, value in bucket.counters.items():
                value.fill_(after[name])
            sums += [(bucket.groups[m.group], m.p, sum_) for m, sum_ in found]
        self.observe(sums)
        return loss

    def _numbered(self, bucket: ParamBucket) -> tuple[ParamBucket, dict[str, float], Numbers, dict[str, Any], bool]:
        """A bucket with its counters after this step, and what its text is to run with."""
        group = bucket.alike(self.per_group)
        after = self.advance({name: float(value) for name, value in bucket.counters.items()}, group)
        flags = self.flags(largest(group, self.per_group))
        return bucket, after, self.numbers(after, group, flags), flags, group["maximize"]

    def observe(self, sums: list[Sums]) -> None:
        """What the texts have returned in this step."""

    def _cohorts(self) -> list[ParamBucket]:
        """The arrangement of all parameters that have a gradient; as before, if that still fits."""
        active = [[p for p in group["params"] if p.grad is not None] for group in self.param_groups]
        known: BucketCache | None = self.__dict__.get("_arrangement")
        if known is not None and known.fits(self.param_groups, active, self.state) and self._heads_fit(known):
            return known.buckets
        names = [name for name in self.defaults if name not in self.per_group and name not in self.notes]
        read = itemgetter(*names, "maximize")
        heads = self._heads(read)
        buckets = self._arrange(heads, active)
        made_of = identity_snapshot(self.param_groups, active, self.state)
        self.__dict__["_arrangement"] = BucketCache(buckets, read, heads, active, self.state, made_of)
        return buckets

    def _heads(self, read: Callable[[Any], tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        heads = [read(group) for group in self.param_groups]
        if any(isinstance(value, list) for head in heads for value in head):
            for group in self.param_groups:
                self._as_tuples(group)
            heads = [read(group) for group in self.param_groups]
        return heads

    def _heads_fit(self, known: BucketCache) -> bool:
        """Whether groups have the values that they were arranged by, or scheduled others that part them alike."""
        if [*map(known.read, self.param_groups)] == known.heads:
            return True
        heads = self._heads(known.read)
        fits = partition(heads) == partition(known.heads) and all(
            self.rule(bucket.groups[0]) == bucket.rule and bucket.groups[0]["compile"] == bucket.run.compile
            for bucket in known.buckets
        )
        if fits:
            self.__dict__["_arrangement"] = known._replace(heads=heads)
        return fits

    def _arrange(self, heads: list[tuple[Any, ...]], active: list[list[Tensor]]) -> list[ParamBucket]:
        runs: dict[bool, Runner] = {}
        families: dict[Any, tuple[list[int], list[tuple[Tensor, int]], dict[str, float]]] = {}
        check_gradients(type(self).__name__, (p for parameters in active for p in parameters))
        for i, parameters in enumerate(active):
            for p in dict.fromkeys(parameters):  # torch allows the same one twice, with a warning
                counts = {name: float(self.state.get(p, {}).get(name, start)) for name, start in self.counters.items()}
                key = (heads[i], *counts.values(), p.dtype, p.device, () if self.merges else i)
                places, members, _ = families.setdefault(key, ([], [], counts))
                if i not in places:
                    places.append(i)
                members.append((p, i))
        buckets = []
        for places, members, counts in families.values():
            group = self.param_groups[places[0]]
            shared = {name: counter(name, value, members[0][0]) for name, value in counts.items()}
            run = runs.setdefault(group["compile"], Runner(group["compile"]))
            own_members = [ParamState(p, self.state[p], places.index(i)) for p, i in members]
            groups = [self.param_groups[i] for i in places]
            buckets.append(ParamBucket(self.rule(group), own_members, groups, shared, run))
        return buckets

    def state_dict(self) -> dict[str, Any]:
        """As torch's; every tensor in it is one of its own."""
        saved = super().state_dict()
        return {**saved, "state": {key: own_state(value, self.counters) for key, value in saved["state"].items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As torch's; takes copies, and keeps this run's ``compile``."""
        last_hook = self.register_load_state_dict_pre_hook(_note_what_is_loaded)
        try:
            super().load_state_dict(state_dict)
        finally:
            last_hook.remove()
            self.__dict__.pop("_loading", None)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Fills in what an older or another class's groups lack."""
        super().__setstate__(state)
        self.__dict__.pop("_arrangement", None)
        loading = self.__dict__.pop("_loading", None)
        if loading is not None:
            saved, compile_before = loading
            own_loaded(self.state, self.param_groups, saved, self.counters)
            for group, value in zip(self.param_groups, compile_before, strict=True):
                group["compile"] = value
        for group in self.param_groups:
            self.complete(group)
            self._as_tuples(group)

    def complete(self, group: dict[str, Any]) -> None:
        """Fills in what a group lacks."""
        for name, value in self.defaults.items():
            group.setdefault(name, value)

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles hold; every tensor one of its own."""
        kept = super().__getstate__()
        return {**kept, "state": own(kept["state"], self.counters)}


def _note_what_is_loaded(optimizer: Optimizer, state_dict: dict[str, Any]) -> dict[str, Any]:
    """Load pre-hook, the last one: what other hooks have made of a state dict is what is checked and counts."""
    state_dict = compatible_state(optimizer, state_dict)
    optimizer.__dict__["_loading"] = (state_dict, [group["compile"] for group in optimizer.param_groups])
    return state_dict

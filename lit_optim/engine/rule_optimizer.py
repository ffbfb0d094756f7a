"""Define the base class of our optimizers: it has ``step()``, a subclass names a rule, its state and its scalars."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer

from lit_optim.engine.arguments import check_bools, check_gradients, check_parameters
from lit_optim.engine.bucket_cache import BucketCache, identity_snapshot, partition
from lit_optim.engine.make_buckets import make_buckets
from lit_optim.engine.ops import Decay
from lit_optim.engine.param_bucket import ParamBucket
from lit_optim.engine.run_rule import RuleSpec, Scalars
from lit_optim.engine.state_dict import unshare_loaded, unshared_state
from lit_optim.engine.without_unused_hooks import without_unused_hooks
from lit_optim.errors import ConfigError
from lit_optim.state_loading.compatible_state import compatible_state
from lit_optim.step_hooks import is_state_init_step, loss_of

__all__ = ["Counters", "Group", "RuleOptimizer", "RuleSpec", "Scalars", "Sums"]

Counters: TypeAlias = Mapping[str, float]
Group: TypeAlias = Mapping[str, Any]
Sums: TypeAlias = tuple[dict[str, Any], Tensor, tuple[Tensor, ...]]  # a group, one of its parameters, a rule's output


class RuleOptimizer(Optimizer):
    """An optimizer made of a rule: in-place operations on 1-D tensors that read as the paper.

    A subclass names the rule (`rule`), the constants it is specialised on (`static_args`) and its numbers at a step
    (`step_scalars`). Parameters of equal constants and equal step count are a bucket: large ones are updated where they
    lie in memory, small ones gathered into one tensor; groups that differ in `per_group` only share a bucket. All that
    determines the result is in ``param_groups``, ``state`` and ``defaults``: the cached buckets are made again whenever
    they do not fit these any more.

    Args:
        params: parameters, named parameters or groups of them.
        defaults: hyper-parameters of groups; ``maximize`` and ``compile`` must be among them.
    """

    per_group: ClassVar[tuple[str, ...]] = ("lr", "weight_decay")
    decay: ClassVar[Decay] = "l2"  # the form of weight decay, of groups without a `decoupled` argument
    counters: ClassVar[dict[str, float]] = {"step": 0.0}
    checks_what_it_loads: ClassVar[bool] = True
    shares_buckets: ClassVar[bool] = True  # whether parameters of several groups may share a call
    untracked_keys: ClassVar[tuple[str, ...]] = ()  # keys of groups that no rule depends on

    def check(self, group: dict[str, Any]) -> None:
        """Reject a group with a value that is out of range, by a ConfigError."""

    def rule(self, group: Group) -> RuleSpec:
        """Return the rule of a group; may depend on anything but `per_group`."""
        raise NotImplementedError

    def static_args(self, group: Group) -> dict[str, Any]:
        """Return the rule's compile-time constants; without weight decay the branch is left out.

        Where groups share a bucket, ``group`` holds the largest of each of their values.
        """
        if not group["weight_decay"]:
            return {"decay": "none"}
        named = self.defaults.keys() & {"decoupled", "decoupled_weight_decay"}
        is_decoupled = group[named.pop()] if named else self.decay == "decoupled"
        return {"decay": "decoupled" if is_decoupled else "l2"}

    def step_scalars(self, counters: Counters, group: Group, static_args: Group) -> Scalars:
        """Return the rule's numbers at a step (``counters["step"]`` from 1); arithmetic only, as lrs may be vectors."""
        raise NotImplementedError

    def advance(self, counters: Counters, group: Group) -> dict[str, float]:
        """Return the counters after one more step."""
        return {"step": counters["step"] + 1}

    def observe(self, sums: list[Sums]) -> None:
        """Receive the values that the rules returned in this step."""

    def complete(self, group: dict[str, Any]) -> None:
        """Fill in the keys that a loaded group lacks."""
        for name, value in self.defaults.items():
            group.setdefault(name, value)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, checked as the first ones are; they begin at their own first step."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            self._lists_to_tuples(group)
            check_bools(group, "maximize", "compile")
            self.check(group)
            check_parameters(type(self).__name__, (p for each in self.param_groups for p in each["params"]))
        except ConfigError:
            self.param_groups.pop()
            raise

    def _lists_to_tuples(self, group: dict[str, Any]) -> None:
        """Replace lists of YAML files and checkpoints, which could be changed in place unnoticed."""
        group.update({name: tuple(group[name]) for name in self.defaults if isinstance(group.get(name), list)})

    @without_unused_hooks
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; with a closure, which is called once with gradients enabled, return its loss."""
        loss = loss_of(closure)
        buckets = self._buckets()
        if closure is None and is_state_init_step(self, (bucket.counters["step"] for bucket in buckets)):
            return loss
        steps = [self._step_arguments(bucket) for bucket in buckets]  # all of them before anything is changed
        sums = []
        for bucket, (after, scalars, static_args, maximize) in zip(buckets, steps, strict=True):
            try:
                outputs = bucket.step(scalars, static_args, maximize=maximize)
            except RuntimeError:
                check_gradients(type(self).__name__, (m.p for m in bucket.members))
                raise
            for name, value in bucket.counters.items():
                value.fill_(after[name])
            sums += [(bucket.groups[m.group], m.p, output) for m, output in outputs]
        self.observe(sums)
        return loss

    def _step_arguments(self, bucket: ParamBucket) -> tuple[dict[str, float], Scalars, dict[str, Any], bool]:
        """Return the counters of a bucket after this step, and what its rule runs with."""
        group, largest = bucket.group_values(self.per_group)
        after = self.advance({name: float(value) for name, value in bucket.counters.items()}, group)
        static_args = self.static_args(largest)
        return after, self.step_scalars(after, group, static_args), static_args, group["maximize"]

    def _buckets(self) -> list[ParamBucket]:
        """Return the buckets of all parameters that have a gradient: the cached ones, if they still fit."""
        active = [[p for p in group["params"] if p.grad is not None] for group in self.param_groups]
        cache: BucketCache | None = self.__dict__.get("_bucket_cache")
        if cache is None or not cache.is_valid(self.param_groups, active, self.state) or not self._keys_fit(cache):
            untracked = (*self.per_group, *self.untracked_keys)
            read_key = itemgetter(*(name for name in self.defaults if name not in untracked), "maximize")
            keys = self._bucket_keys(read_key)
            check_gradients(type(self).__name__, (p for params in active for p in params))
            buckets = make_buckets(self, keys, active)
            snapshot = identity_snapshot(self.param_groups, active, self.state)
            cache = BucketCache(buckets, read_key, keys, active, self.state, snapshot)
            self.__dict__["_bucket_cache"] = cache
        return cache.buckets

    def _bucket_keys(self, read_key: Callable[[Any], tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        keys = [*map(read_key, self.param_groups)]
        if any(isinstance(value, list) for key in keys for value in key):
            for group in self.param_groups:
                self._lists_to_tuples(group)
            keys = [*map(read_key, self.param_groups)]
        return keys

    def _keys_fit(self, cache: BucketCache) -> bool:
        """Return whether the groups' values, some of them scheduled, still make the same buckets."""
        if [*map(cache.read_key, self.param_groups)] == cache.bucket_keys:
            return True
        keys = self._bucket_keys(cache.read_key)
        fit = partition(keys) == partition(cache.bucket_keys) and all(
            self.rule(bucket.groups[0]) == bucket.rule and bucket.groups[0]["compile"] == bucket.compile
            for bucket in cache.buckets
        )
        if fit:
            self.__dict__["_bucket_cache"] = cache._replace(bucket_keys=keys)
        return fit

    def state_dict(self) -> dict[str, Any]:
        """Return torch's state dict, in which every tensor has memory that no other one shares."""
        saved = super().state_dict()
        return {**saved, "state": {key: unshared_state(value, self.counters) for key, value in saved["state"].items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state dict as torch does, but copy its tensors and keep this run's ``compile``."""
        last_hook = self.register_load_state_dict_pre_hook(_keep_what_is_loaded)
        try:
            super().load_state_dict(state_dict)
        finally:
            last_hook.remove()
            self.__dict__.pop("_loading", None)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.pop("_bucket_cache", None)
        loading = self.__dict__.pop("_loading", None)
        if loading is not None:
            saved, compile_before = loading
            unshare_loaded(self.state, self.param_groups, saved, self.counters)
            for group, value in zip(self.param_groups, compile_before, strict=True):
                group["compile"] = value
        for group in self.param_groups:
            self.complete(group)
            self._lists_to_tuples(group)

    def __getstate__(self) -> dict[str, Any]:
        """Return what copies and pickles hold; every tensor has memory that no other one shares."""
        kept = super().__getstate__()
        state = {p: unshared_state(entry, self.counters) for p, entry in kept["state"].items()}
        return {**kept, "state": defaultdict(dict, state)}


def _keep_what_is_loaded(optimizer: Optimizer, state_dict: dict[str, Any]) -> dict[str, Any]:
    """Load pre-hook that runs last: keep the state dict as the other hooks left it."""
    state_dict = compatible_state(optimizer, state_dict)
    optimizer.__dict__["_loading"] = (state_dict, [group["compile"] for group in optimizer.param_groups])
    return state_dict

"""Put parameters that one call of a rule can update together into buckets."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from torch import Tensor

from lit_optim.engine.param_bucket import ParamBucket
from lit_optim.engine.param_state import ParamState
from lit_optim.engine.run_rule import RuleSpec, ScratchPool
from lit_optim.engine.state_dict import make_counter


class BucketedOptimizer(Protocol):
    """Declares what `make_buckets` reads of an optimizer."""

    param_groups: list[dict[str, Any]]
    state: Any
    counters: ClassVar[dict[str, float]]
    shares_buckets: ClassVar[bool]

    def rule(self, group: Mapping[str, Any]) -> RuleSpec:
        """Return the rule of a group."""


def make_buckets(
    optimizer: BucketedOptimizer, bucket_keys: Sequence[Hashable], active: Sequence[Sequence[Tensor]]
) -> list[ParamBucket]:
    """Make a bucket of the parameters that have the same counters, values of their group, dtype and device.

    Args:
        optimizer: whose parameters they are.
        bucket_keys: for each group the values that its rule depends on.
        active: for each group the parameters that have a gradient.
    """
    members: dict[Any, list[tuple[Tensor, int]]] = {}
    for i, params in enumerate(active):
        for p in dict.fromkeys(params):  # torch allows the same one twice, with a warning
            state = optimizer.state.get(p, {})
            counts = tuple(float(state.get(name, start)) for name, start in optimizer.counters.items())
            key = (counts, bucket_keys[i], p.dtype, p.device, None if optimizer.shares_buckets else i)
            members.setdefault(key, []).append((p, i))
    scratch = ScratchPool()
    buckets = []
    for (counts, *_), pairs in members.items():
        places = [*dict.fromkeys(i for _, i in pairs)]
        groups = [optimizer.param_groups[i] for i in places]
        states = [ParamState(p, optimizer.state[p], places.index(i)) for p, i in pairs]
        counters = {n: make_counter(n, value, pairs[0][0]) for n, value in zip(optimizer.counters, counts, strict=True)}
        buckets.append(ParamBucket(optimizer.rule(groups[0]), states, groups, counters, scratch))
    return buckets

"""Cache the buckets and rebuild them when a parameter, group or state entry is replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter, is_
from typing import Any, NamedTuple

from torch import Tensor

from lit_optim.engine.param_bucket import ParamBucket

_dtype = attrgetter("dtype")


class BucketCache(NamedTuple):
    """Holds the buckets, and the objects that they were made of so that no id is reused.

    Attributes:
        buckets: the parameters that have a gradient.
        read_key: reads the values of a group that its rule depends on.
        bucket_keys: those values of all groups.
        active: the parameters, group by group.
        state: of the optimizer.
        snapshot: see `identity_snapshot`.
    """

    buckets: list[ParamBucket]
    read_key: Callable[[Any], tuple[Any, ...]]
    bucket_keys: list[tuple[Any, ...]]
    active: list[list[Tensor]]
    state: Mapping[Tensor, Any]
    snapshot: list[Any]

    def is_valid(self, groups: list[Any], active: list[list[Tensor]], state: Mapping[Tensor, Any]) -> bool:
        """Return whether the optimizer still holds the same objects; values of groups may differ."""
        return (
            state is self.state
            and [*map(len, active)] == [*map(len, self.active)]
            and are_same_objects(identity_snapshot(groups, active, state), self.snapshot)
            and all(bucket.is_valid() for bucket in self.buckets)
        )


def identity_snapshot(groups: list[Any], active: Iterable[Sequence[Tensor]], state: Mapping[Tensor, Any]) -> list[Any]:
    """List the objects that buckets depend on: groups, parameters, their dtypes, and all entries of the state."""
    parameters = [*chain.from_iterable(active)]
    entries = [each.values() for each in state.values() if isinstance(each, dict)]
    return [*groups, *parameters, *map(_dtype, parameters), *state, *state.values(), *chain.from_iterable(entries)]


def partition(bucket_keys: Sequence[Any]) -> list[int]:
    """Return for each group the first one with an equal key: equal partitions make equal buckets.

    Example:
        >>> partition([0.9, 0.8, 0.9])
        [0, 1, 0]
    """
    firsts: dict[Any, int] = {}
    return [firsts.setdefault(key, i) for i, key in enumerate(bucket_keys)]


def are_same_objects(now: Sequence[Any], before: Sequence[Any]) -> bool:
    """Return whether two lists hold the same objects.

    Example:
        >>> one = object()
        >>> are_same_objects([one], [one]), are_same_objects([one], [object()]), are_same_objects([one], [])
        (True, False, False)
    """
    return len(now) == len(before) and all(map(is_, now, before))

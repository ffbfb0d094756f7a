"""Whether buckets still fit what they were made of: asked at each step, so that nobody has to tell of a change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter, is_
from typing import Any, NamedTuple

from torch import Tensor

from lit_optim.engine.param_bucket import ParamBucket

_dtype = attrgetter("dtype")


class BucketCache(NamedTuple):
    """Buckets, and the objects that they were made of: kept here, so that none of them can come back as another one.

    Attributes:
        buckets: the parameters that have a gradient, arranged.
        read: the values of a group that its text depends on.
        heads: those of all groups.
        active: those parameters, group by group.
        state: of the optimizer.
        snapshot: see `identity_snapshot`.
    """

    buckets: list[ParamBucket]
    read: Callable[[Any], tuple[Any, ...]]
    heads: list[tuple[Any, ...]]
    active: list[list[Tensor]]
    state: Mapping[Tensor, Any]
    snapshot: list[Any]

    def fits(self, groups: list[Any], active: list[list[Tensor]], state: Mapping[Tensor, Any]) -> bool:
        """Whether all of it is as it was, but for the values of groups."""
        return (
            state is self.state
            and [*map(len, active)] == [*map(len, self.active)]
            and is_same_layout(identity_snapshot(groups, active, state), self.snapshot)
            and all(bucket.in_place() for bucket in self.buckets)
        )


def identity_snapshot(groups: list[Any], active: Iterable[Sequence[Tensor]], state: Mapping[Tensor, Any]) -> list[Any]:
    """The groups, parameters and their dtypes, whose states these are, and all that is in them."""
    parameters = [*chain.from_iterable(active)]
    entries = [each.values() for each in state.values() if isinstance(each, dict)]
    return [*groups, *parameters, *map(_dtype, parameters), *state, *state.values(), *chain.from_iterable(entries)]


def partition(heads: Sequence[Any]) -> list[int]:
    """For each group the first one of equal values: who is arranged with whom.

    Example:
        >>> partition([0.9, 0.8, 0.9])
        [0, 1, 0]
    """
    firsts: dict[Any, int] = {}
    return [firsts.setdefault(head, i) for i, head in enumerate(heads)]


def is_same_layout(now: Sequence[Any], before: Sequence[Any]) -> bool:
    """Whether two lists hold the same objects.

    Example:
        >>> one = object()
        >>> is_same_layout([one], [one]), is_same_layout([one], [object()]), is_same_layout([one], [])
        (True, False, False)
    """
    return len(now) == len(before) and all(map(is_, now, before))

"""Chooses the values of the trials: a grid to screen, quasi-random points to tune, steps beyond an edge."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace

from lit_optim.study.search_space import Dimension, SearchSpace

HALF_DECADE = math.sqrt(10)

_PRIMES = [number for number in range(2, 100) if all(number % other for other in range(2, number))]


def quasi_random_points(count: int, dimensions: int, study: int = 0) -> list[tuple[float, ...]]:
    """Return the first points of a scrambled Halton sequence (Owen 2017, arXiv:1706.02808) in [0, 1).

    Every point is the same whatever the count, the machine and the version of Python: a trial that is finished stays
    the one that it was when more are asked for.

    Args:
        count: number of points.
        dimensions: up to 25.
        study: another number scrambles the digits in another way.

    Example:
        >>> quasi_random_points(5, 3, study=1)[:2] == quasi_random_points(2, 3, study=1)
        True
        >>> sorted(int(4 * first) for first, _ in quasi_random_points(4, 2))  # one in each quarter
        [0, 1, 2, 3]
    """
    scrambled = [_scrambled(_PRIMES[i], study, count) for i in range(dimensions)]
    return [*zip(*scrambled, strict=True)] if dimensions else [()] * count


def _scrambled(base: int, study: int, count: int) -> Iterator[float]:
    """Yield the radical inverses of 0, 1, 2, ... in a base, each digit permuted at random."""
    source = random.Random(f"lit-optim/{study}/{base}")  # nothing secret; its random() never changes
    digits = math.ceil(40 / math.log2(base))
    keys = [[source.random() for _ in range(base)] for _ in range(digits)]
    permutations = [sorted(range(base), key=order.__getitem__) for order in keys]
    for number in range(count):
        point, weight = 0.0, 1.0
        for permutation in permutations:
            number, digit = divmod(number, base)  # noqa: PLW2901
            weight /= base
            point += weight * permutation[digit]
        yield min(point, 1 - 2**-53)


def quasi_random_trials(space: SearchSpace, count: int, study: int = 0) -> list[dict[str, float]]:
    """Return the values of the trials of one study; the first are the same for every count.

    Example:
        >>> from lit_optim.study.search_space import parse_search_space
        >>> space = parse_search_space("lr log 1e-4..1e-2")
        >>> quasi_random_trials(space, 3)[:2] == quasi_random_trials(space, 2)
        True
    """
    points = quasi_random_points(count, len(space.dimensions), study)
    return [
        {dimension.key: dimension.value(share) for dimension, share in zip(space.dimensions, point, strict=True)}
        for point in points
    ]


def grid_trials(space: SearchSpace, count: int) -> list[dict[str, float]]:
    """Return a grid over the first entry of a space, its ends included; other keys keep the preset's values.

    Example:
        >>> from lit_optim.study.search_space import parse_search_space
        >>> grid_trials(parse_search_space("lr log 1e-4..1e-2"), 5)
        [{'lr': 0.0001}, {'lr': 0.0003162}, {'lr': 0.001}, {'lr': 0.003162}, {'lr': 0.01}]
    """
    first = space.dimensions[0]
    shares = [number / (count - 1) for number in range(count)] if count > 1 else [0.5]
    return [{first.key: first.value(share)} for share in shares]


def beyond_edge(space: SearchSpace, side: str, best: float, count: int) -> Dimension | None:
    """Return the range from the best value of the first entry, to be tried in equal steps; None where there is none.

    It ends a decade beyond the declared range, or so far that a step is half a decade: a longer one could jump over
    the optimum.

    Args:
        space: as it is declared.
        side: ``low`` or ``high``, of the range as it is written, where the best value is the outermost one.
        best: that value.
        count: steps.

    Example:
        >>> from lit_optim.study.search_space import parse_search_space
        >>> space = parse_search_space("lr log 1e-4..1e-2")
        >>> str(beyond_edge(space, "high", 0.005, 3)), str(beyond_edge(space, "high", 0.005, 1))
        ('lr log 0.005..0.1', 'lr log 0.005..0.01581')
    """
    first = space.dimensions[0]
    if first.choices or not first.log:
        return None
    start = 1 - best if first.complement else best
    reach = HALF_DECADE**count
    if side == "low":
        low, high = max(first.low / 10, start / reach), start
    else:
        low, high = start, min(first.high * 10, start * reach, 1.0 if first.complement else math.inf)
    return replace(first, low=float(f"{low:.4g}"), high=float(f"{high:.4g}")) if low < high else None

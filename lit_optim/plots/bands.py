"""Divide a run into the bands that a picture shades: its phases, their cycles and decays, and what lies behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from lit_optim.schedules.plan.plan import Phase

SWING = 0.05  # of a phase's range: a curve that falls and rises by less has no cycles
MOST_CYCLES = 12  # of a phase; more cannot be named in a picture, and noise has many
SHORT = 0.02  # of a phase: a constant part that is shorter is no band


def bands(phases: Sequence[Phase], steps: Sequence[int], values: Sequence[float], last: int) -> list[Phase]:
    """Divide the steps of a run into bands without a gap.

    Args:
        phases: of the schedule, in order.
        steps: optimizer steps that are drawn, from the first one on.
        values: of the schedule there.
        last: the optimizer step at which the picture ends.

    Example:
        >>> values = [0.5, 1.0, 0.0, 1.0, 0.0, 0.0]
        >>> for band in bands([Phase("warmup", 0, 1), Phase("main", 1, 5)], range(6), values, 6):
        ...     print(band.name, band.start, band.stop)
        warmup 0 1
        cycle 1 1 3
        cycle 2 3 5
        held 5 6
    """
    first, found = steps[0], []
    for phase in phases:
        start, stop = max(phase.start, first), last if phase.stop is None else min(phase.stop, last)
        if start < stop:
            inside = [(s, v) for s, v in zip(steps, values, strict=True) if start <= s < stop and math.isfinite(v)]
            prefix = "" if phase.name == "main" else f"{phase.name} "
            found += _split(Phase(phase.name, start, stop), inside, prefix)
    if found and found[-1].stop is not None and found[-1].stop < last:
        found.append(Phase("held", found[-1].stop, last))
    return found


def _split(phase: Phase, points: list[tuple[int, float]], prefix: str) -> list[Phase]:
    """Split a phase at its restarts, or where it begins to fall after a constant part."""
    starts = all_cycle_starts(points)
    if 1 < len(starts) <= MOST_CYCLES:
        edges = [phase.start, *starts[1:], phase.stop]
        return [Phase(f"{prefix}cycle {i}", a, b) for i, (a, b) in enumerate(pairwise(edges), 1) if a is not None]
    if (begin := decay_start(points)) is not None:
        return [Phase(f"{prefix}stable", phase.start, begin), Phase(f"{prefix}decay", begin, phase.stop)]
    return [phase]


def all_cycle_starts(points: Sequence[tuple[int, float]]) -> list[int]:
    """Return the first step of each cycle, of those too that are small beside the first: the last is searched again.

    Args:
        points: optimizer steps and values.

    Example:
        >>> all_cycle_starts(list(enumerate([1.0, 0.0, 0.1, 0.0, 0.01, 0.0, 0.001, 0.0])))
        [0, 2, 4, 6]
    """
    starts = cycle_starts(points)
    if len(starts) == 1 or not points:
        return starts
    return starts[:-1] + all_cycle_starts([point for point in points if point[0] >= starts[-1]])


def cycle_starts(points: Sequence[tuple[int, float]]) -> list[int]:
    """Return the first step of each cycle: that at which a curve rises again after it has fallen.

    Args:
        points: optimizer steps and values.

    Example:
        >>> cycle_starts(list(enumerate([1.0, 0.5, 0.0, 1.0, 0.5, 0.0])))
        [0, 3]
    """
    if not points:
        return []
    swing = SWING * (max(v for _, v in points) - min(v for _, v in points))
    starts, falls, low, high, next_start = [points[0][0]], False, points[0][1], points[0][1], 0
    for i, (_, value) in enumerate(points):
        if falls and value <= low:
            low, next_start = value, i + 1
        elif falls and value > low + swing:
            starts.append(points[next_start][0])
            falls, high = False, value
        elif not falls:
            high = max(high, value)
            if value < high - swing:
                falls, low, next_start = True, value, i + 1
    return starts


def decay_start(points: Sequence[tuple[int, float]]) -> int | None:
    """Return the last step of a constant part from which a curve falls to the end; None for other curves.

    Args:
        points: optimizer steps and values.

    Example:
        >>> decay_start(list(enumerate([1.0, 1.0, 1.0, 0.5, 0.25]))), decay_start(list(enumerate([1.0, 0.5])))
        (2, None)
    """
    flat = next((i for i, (_, value) in enumerate(points) if value != points[0][1]), len(points))
    is_decay = 1 < flat < len(points) and all(b < a for (_, a), (_, b) in pairwise(points[flat - 1 :]))
    if is_decay and points[flat - 1][0] - points[0][0] >= SHORT * (points[-1][0] - points[0][0]):
        return points[flat - 1][0]
    return None

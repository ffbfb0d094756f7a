"""Measures training speed: steps or seconds until a target is reached, infinite where it is missed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

Curve = Sequence[tuple[float, float]]  # (steps or seconds, metric), in order


def baseline_target(curves: Sequence[Curve], mode: str) -> float:
    """Return the target: the median over the baseline's seeds of the best value of each run.

    Args:
        curves: one of each seed; values that are not finite are passed over.
        mode: ``min`` or ``max`` of the metric.

    Example:
        >>> baseline_target([[(1, 0.5), (2, 0.3)], [(1, 0.4), (2, 0.45)], [(1, 0.9), (2, 0.2)]], "min")
        0.3
    """
    best, worst = (max, -math.inf) if mode == "max" else (min, math.inf)
    values = [[value for _, value in curve if math.isfinite(value)] for curve in curves]
    return statistics.median(best(each, default=worst) for each in values)


def time_to_target(curve: Curve, target: float, mode: str) -> float:
    """Return the steps or seconds at which a run first reaches the target; infinite if it never does, nan without one.

    Example:
        >>> curve = [(10, 0.5), (20, 0.3), (30, 0.35)]
        >>> time_to_target(curve, 0.3, "min"), time_to_target(curve, 0.2, "min")
        (20, inf)
    """
    if math.isnan(target):
        return math.nan
    return next((time for time, value in curve if (value >= target if mode == "max" else value <= target)), math.inf)


def median_of_fastest(studies: Sequence[Sequence[float]]) -> float:
    """Return AlgoPerf's score: the median over studies of the time to target of the fastest trial.

    Args:
        studies: the times to target of the trials of each study, infinite where they missed it.

    Example:
        >>> median_of_fastest([[50, 30], [float("inf"), 40], [float("inf"), float("inf")]])
        40
    """
    return statistics.median(min(times, default=math.inf) for times in studies)

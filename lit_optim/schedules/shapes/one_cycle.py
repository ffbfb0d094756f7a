from __future__ import annotations

from itertools import pairwise
from math import cos, pi
from typing import Literal

from lit_optim.errors import ConfigError, wrong
from lit_optim.schedules.base import Schedule, known
from lit_optim.schedules.check import at_least


def one_cycle(
    total_steps: int | None = None,
    *,
    start_factor: float = 0.04,
    max_factor: float = 1.0,
    end_factor: float | None = None,
    pct_start: float = 0.3,
    anneal_strategy: Literal["cos", "linear"] = "cos",
    three_phase: bool = False,
) -> Schedule:
    """Once up and once down, in torch's form: the top at ``pct_start * T - 1``, the floor at ``T - 1``.

    Smith & Topin 2018, arXiv:1708.07120; torch's OneCycleLR with ``max_lr`` = lr. T = ``total_steps``; between two of
    the points the factor goes from a to b by ``b + (a - b) * (1 + cos(pi * share)) / 2``, or along a straight line.
    From the last step on it stays at ``end_factor``, where torch climbs again and then fails.

    Args:
        total_steps: optimizer steps of the phase.
        start_factor: factor at step 0, at least 0; torch's 1 / div_factor.
        max_factor: factor at the top, at least 0.
        end_factor: factor at the last step and from there on, at least 0; null = ``start_factor / 10000``.
        pct_start: share of the phase until the top, from 0 to below 1 (to 0.5 with three phases); 0 = it begins there.
        anneal_strategy: ``cos`` or ``linear``.
        three_phase: down to ``start_factor`` as fast as up, at ``2 * pct_start * T - 2``, and then to the floor.

    Raises:
        LengthUnknown: without ``total_steps``.

    Example:
        >>> schedule = one_cycle(11, start_factor=0.2, end_factor=0.0, pct_start=6 / 11, anneal_strategy="linear")
        >>> [round(schedule(t), 2) for t in (0, 1, 5, 6, 10, 11)]
        [0.2, 0.36, 1.0, 0.8, 0.0, 0.0]
    """
    n = known(total_steps)
    at_least(0.0, start_factor=start_factor, max_factor=max_factor)
    floor = start_factor / 1e4 if end_factor is None else end_factor
    at_least(0.0, end_factor=floor)
    if not (0 <= pct_start < 1) or (three_phase and pct_start > 0.5):
        rule = "from 0 up to 0.5, for the way down is as long" if three_phase else "from 0 to below 1"
        raise ConfigError(wrong("pct_start", pct_start, f"must be a share of the phase {rule}"))
    if anneal_strategy not in ("cos", "linear"):
        raise ConfigError(wrong("anneal_strategy", anneal_strategy, "must be cos or linear"))
    points = [(0.0, start_factor), (pct_start * n - 1, max_factor)]
    if three_phase:
        points.append((2 * pct_start * n - 2, start_factor))
    points.append((n - 1, floor))
    # stop, start, length, value at stop, way back to the value at start; what would end before it starts is left out
    legs = [(stop, start, stop - start, b, a - b) for (start, a), (stop, b) in pairwise(points) if stop > start]
    linear, last = anneal_strategy == "linear", n - 1

    def cycle(step: int) -> float:
        if step < last:
            for stop, start, length, value, back in legs:
                if step <= stop:
                    share = (step - start) / length
                    return value + back * ((1 - share) if linear else (1 + cos(pi * share)) / 2)
        return floor

    return cycle

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import cos, pi
from typing import Literal, NamedTuple

from lit_optim.errors import ConfigError, wrong
from lit_optim.schedules.base import Schedule, known
from lit_optim.schedules.checks import at_least


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
    # what would end before it starts is left out
    legs = [Leg(start, stop, a, b) for (start, a), (stop, b) in pairwise(points) if stop > start]
    return (along_lines if anneal_strategy == "linear" else along_cosines)(legs, n - 1, floor)


class Leg(NamedTuple):
    """From the factor ``a`` at step ``start`` to ``b`` at ``stop``; both steps may lie between whole ones."""

    start: float
    stop: float
    a: float
    b: float


def along_lines(legs: Sequence[Leg], last: int, floor: float) -> Schedule:
    """Straight lines, and ``floor`` from step ``last`` on."""

    def cycle(step: int) -> float:
        if step < last:
            for start, stop, a, b in legs:
                if step <= stop:
                    return b + (a - b) * (1 - (step - start) / (stop - start))
        return floor

    return cycle


def along_cosines(legs: Sequence[Leg], last: int, floor: float) -> Schedule:
    """Halves of cosines, and ``floor`` from step ``last`` on; written out, for it drives two values at every step."""
    padded = [*legs, *[Leg(0, 1, floor, floor)] * 3]
    (start_1, stop_1, a_1, b_1), (start_2, stop_2, a_2, b_2), (start_3, stop_3, a_3, b_3) = padded[:3]
    end_1, end_2 = int(stop_1), int(stop_2)  # steps are whole, and whole numbers are compared quickly
    half_1, half_2, half_3 = (a_1 - b_1) / 2, (a_2 - b_2) / 2, (a_3 - b_3) / 2
    rate_1, rate_2, rate_3 = pi / (stop_1 - start_1), pi / (stop_2 - start_2), pi / (stop_3 - start_3)

    def cycle(step: int) -> float:
        if step <= end_1:
            return b_1 + half_1 * (1.0 + cos(rate_1 * (step - start_1)))
        if step <= end_2:
            return b_2 + half_2 * (1.0 + cos(rate_2 * (step - start_2)))
        return floor if step >= last else b_3 + half_3 * (1.0 + cos(rate_3 * (step - start_3)))

    return cycle

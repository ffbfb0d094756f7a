from __future__ import annotations

from bisect import bisect_right
from math import cos, pi

from lit_optim.errors import ConfigError, wrong
from lit_optim.schedules.base import Schedule, Steps, known
from lit_optim.schedules.checks import above, at_least
from lit_optim.schedules.cycles import edges_of_parts, edges_of_periods


def cosine_restarts(
    total_steps: int | None = None,
    *,
    period: Steps = 0,
    cycles: int = 0,
    period_mult: int = 1,
    peak_decay: float = 1.0,
    cycle_warmup: Steps = 0,
    start_factor: float = 1.0,
    end_factor: float = 0.0,
) -> Schedule:
    """Half a cosine in each cycle: ``f(t) = end + (peak - end) * (1 + cos(pi * x / length)) / 2``.

    Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5 (SGDR), and torch's CosineAnnealingWarmRestarts: x counts a
    cycle's steps from 0, ``peak = max(start * peak_decay ** cycle, end)``. The first w = ``cycle_warmup`` steps of each
    cycle are ``end + (peak - end) * (x + 1) / w``; its cosine takes the rest. At the end of the phase nothing restarts.

    Args:
        total_steps: optimizer steps of the phase; the value there holds from there on. Needed with ``cycles`` only.
        period: optimizer steps (or any duration) of the first cycle; 0 where ``cycles`` is given.
        cycles: how many fill the whole phase; 0 where ``period`` is given.
        period_mult: each cycle is so many times as long as the one before, at least 1.
        peak_decay: factor of the peak at each restart, above 0.
        cycle_warmup: optimizer steps (or any duration) of a ramp within each cycle, below ``period``; a cycle out of
            ``cycles`` that is shorter keeps one step for its cosine.
        start_factor: peak of the first cycle, at least ``end_factor``.
        end_factor: lower end of every cycle, at least 0.

    Raises:
        ConfigError: unless exactly one of ``period`` and ``cycles`` is given.
        LengthUnknown: with ``cycles`` and without ``total_steps``.

    Example:
        >>> [round(cosine_restarts(period=2, period_mult=2)(t), 3) for t in range(8)]
        [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0, 0.962]
    """
    at_least(0, period=period, cycles=cycles, cycle_warmup=cycle_warmup)
    at_least(1, period_mult=period_mult)
    above(0.0, peak_decay=peak_decay)
    at_least(0.0, end_factor=end_factor, start_factor=start_factor)
    if peak_decay != 1.0:
        at_least(end_factor, start_factor=start_factor)
    if bool(period) == bool(cycles):
        raise ConfigError("period: give either period or cycles, at least 1; the other one is 0")
    if cycles:
        edges = edges_of_parts(known(total_steps), cycles, period_mult)
    else:
        edges = edges_of_periods(period, period_mult) if period_mult > 1 else [0, period]
    if period and cycle_warmup >= period:
        raise ConfigError(wrong("cycle_warmup", cycle_warmup, f"must be below {period}, the steps of the first cycle"))

    def within(cycle: int, x: int, length: int) -> float:
        peak = start_factor if peak_decay == 1.0 else max(start_factor * peak_decay**cycle, end_factor)
        ramp = cycle_warmup if cycle_warmup < length else length - 1
        if x < ramp:
            return end_factor + (peak - end_factor) * (x + 1) / ramp
        angle = pi * (x - ramp) / (length - ramp)
        return end_factor + (peak - end_factor) * (1 + cos(angle)) / 2

    def endless(step: int) -> float:
        if period_mult == 1 and period:
            return within(step // period, step % period, period)
        cycle = bisect_right(edges, step) - 1
        return within(cycle, step - edges[cycle], edges[cycle + 1] - edges[cycle])

    if total_steps is None:
        return endless
    n = total_steps
    restarts = n in edges or (period_mult == 1 and n % edges[1] == 0)
    last = end_factor if restarts else endless(n)
    return lambda step: endless(step) if step < n else last

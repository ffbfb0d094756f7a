from __future__ import annotations

from math import ldexp

from lit_optim.schedules.base import Schedule, Steps
from lit_optim.schedules.cycles import half_cycles


def triangular2(
    total_steps: int | None = None,
    *,
    step_size_up: Steps,
    step_size_down: Steps = 0,
    base_factor: float = 0.25,
    max_factor: float = 1.0,
    offset: Steps = 0,
) -> Schedule:
    """As `triangular`, each cycle half as high: ``f(t) = base + (max - base) * height * 2 ** -cycle``.

    Smith 2017, arXiv:1506.01186 (CLR); torch's CyclicLR with ``mode="triangular2"``. ``cycle`` counts from 0.

    Args:
        total_steps: not used; the schedule is endless.
        step_size_up: optimizer steps (or any duration) from ``base_factor`` up, at least 1.
        step_size_down: optimizer steps (or any duration) down again; 0 = as up.
        base_factor: lower end, at least 0.
        max_factor: upper end, at least ``base_factor``.
        offset: optimizer steps (or any duration) that are behind already; ``step_size_up`` = it begins at the top.

    Example:
        >>> [triangular2(step_size_up=2, base_factor=0.0)(t) for t in range(9)]
        [0.0, 0.5, 1.0, 0.5, 0.0, 0.25, 0.5, 0.25, 0.0]
    """
    up, down = half_cycles(step_size_up, step_size_down, base_factor, max_factor, offset)
    size, span = up + down, max_factor - base_factor

    def wave(step: int) -> float:
        cycle, at = divmod(step + offset, size)
        return base_factor + ldexp(span * (at / up if at <= up else (size - at) / down), -int(cycle))

    return wave

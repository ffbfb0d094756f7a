from __future__ import annotations

from lit_optim.schedules.base import Schedule, Steps
from lit_optim.schedules.checks import above
from lit_optim.schedules.cycles import half_cycles


def exp_range(
    total_steps: int | None = None,
    *,
    step_size_up: Steps,
    step_size_down: Steps = 0,
    base_factor: float = 0.25,
    max_factor: float = 1.0,
    gamma: float = 1.0,
    offset: Steps = 0,
) -> Schedule:
    """As `triangular`, a little less high at every step: ``f(t) = base + (max - base) * height * gamma ** t``.

    Smith 2017, arXiv:1506.01186 (CLR); torch's CyclicLR with ``mode="exp_range"``.

    Args:
        total_steps: not used; the schedule is endless.
        step_size_up: optimizer steps (or any duration) from ``base_factor`` up, at least 1.
        step_size_down: optimizer steps (or any duration) down again; 0 = as up.
        base_factor: lower end, at least 0.
        max_factor: upper end, at least ``base_factor``.
        gamma: factor of the height at each optimizer step (not cycle), above 0.
        offset: optimizer steps (or any duration) of the first cycle that are left out; gamma counts from behind them.

    Example:
        >>> [exp_range(step_size_up=2, base_factor=0.0, gamma=0.5)(t) for t in range(5)]
        [0.0, 0.25, 0.25, 0.0625, 0.0]
    """
    up, down = half_cycles(step_size_up, step_size_down, base_factor, max_factor, offset)
    above(0.0, gamma=gamma)
    size, span = up + down, max_factor - base_factor

    def wave(step: int) -> float:
        at = (step + offset) % size
        return float(base_factor + span * (at / up if at <= up else (size - at) / down) * gamma**step)

    return wave

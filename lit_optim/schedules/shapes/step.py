from __future__ import annotations

from lit_optim.schedules.base import Schedule, Steps
from lit_optim.schedules.checks import at_least


def step(total_steps: int | None = None, *, step_size: Steps, gamma: float = 0.1) -> Schedule:
    """A staircase: ``f(t) = gamma ** (t // step_size)``.

    Args:
        total_steps: not used; the schedule is endless.
        step_size: optimizer steps (or any duration) between two drops, at least 1.
        gamma: factor of each drop, at least 0.

    Example:
        >>> [step(step_size=2, gamma=0.5)(t) for t in range(5)]
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    at_least(1, step_size=step_size)
    at_least(0.0, gamma=gamma)
    return lambda t: float(gamma ** (t // step_size))

from __future__ import annotations

from math import sqrt

from lit_optim.schedules.base import Schedule, Steps
from lit_optim.schedules.checks import at_least


def inverse_sqrt(total_steps: int | None = None, *, timescale: Steps) -> Schedule:
    """One over the root of the time: ``f(t) = sqrt(timescale / (t + timescale))``.

    After a warmup of ``timescale`` steps it is fairseq's inverse_sqrt: ``sqrt(timescale / s)`` at step s of the run.

    Args:
        total_steps: not used; the schedule is endless.
        timescale: optimizer steps (or any duration), at least 1; half the lr after 3 of them. In a configuration
            ``warmup`` is the length of the warmup.

    Example:
        >>> [round(inverse_sqrt(timescale=100)(t), 3) for t in (0, 100, 300, 9900)]
        [1.0, 0.707, 0.5, 0.1]
    """
    at_least(1, timescale=timescale)
    return lambda step: sqrt(timescale / (step + timescale))

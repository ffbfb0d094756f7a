from __future__ import annotations

from lit_optim.errors import ConfigError
from lit_optim.schedules.base import Schedule, known, progress
from lit_optim.schedules.check import above


def exponential(
    total_steps: int | None = None,
    *,
    start_factor: float = 1.0,
    end_factor: float | None = None,
    gamma: float | None = None,
) -> Schedule:
    """The same relative change at every step, by rate or between two values.

    ``f(t) = start_factor * gamma ** t`` or ``f(t) = start_factor * (end_factor / start_factor) ** (t / total_steps)``.

    Args:
        total_steps: optimizer steps of the phase; needed with ``end_factor`` only.
        start_factor: factor at step 0, above 0.
        end_factor: factor at step ``total_steps`` and from there on, above 0.
        gamma: factor of each step, above 0; the schedule is endless.

    Raises:
        ConfigError: unless exactly one of ``end_factor`` and ``gamma`` is given.
        LengthUnknown: with ``end_factor`` and without ``total_steps``.

    Example:
        >>> [exponential(gamma=0.5)(t) for t in range(3)], exponential(4, end_factor=0.01)(2)
        ([1.0, 0.5, 0.25], 0.1)
    """
    above(0.0, start_factor=start_factor)
    if (gamma is None) == (end_factor is None):
        raise ConfigError(
            "gamma: give either gamma or end_factor; remove the other one, e.g. with ~scheduler.main.end_factor"
        )
    if gamma is not None:
        rate = gamma
        above(0.0, gamma=rate)
        return lambda step: float(start_factor * rate**step)
    assert end_factor is not None
    above(0.0, end_factor=end_factor)
    n, ratio = known(total_steps), end_factor / start_factor
    return lambda step: float(start_factor * ratio ** progress(step, n))

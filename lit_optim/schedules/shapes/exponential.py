from __future__ import annotations

from lit_optim.errors import ConfigError, wrong
from lit_optim.schedules.base import Schedule, known, progress
from lit_optim.schedules.checks import above

USUAL_END = 0.01  # presets spell it out, so it is no second wish beside gamma


def exponential(
    total_steps: int | None = None,
    *,
    start_factor: float = 1.0,
    end_factor: float = USUAL_END,
    gamma: float | None = None,
) -> Schedule:
    """The same relative change at every step, by rate or between two values.

    ``f(t) = start_factor * gamma ** t`` or ``f(t) = start_factor * (end_factor / start_factor) ** (t / total_steps)``.

    Args:
        total_steps: optimizer steps of the phase; needed without ``gamma`` only.
        start_factor: factor at step 0, above 0.
        end_factor: factor at step ``total_steps`` and from there on, above 0.
        gamma: factor of each step, above 0, in place of ``end_factor``; the schedule is endless.

    Raises:
        ConfigError: with ``gamma`` and an ``end_factor`` of your own.
        LengthUnknown: without both ``gamma`` and ``total_steps``.

    Example:
        >>> [exponential(gamma=0.5)(t) for t in range(3)], exponential(4, end_factor=0.01)(2)
        ([1.0, 0.5, 0.25], 0.1)
    """
    above(0.0, start_factor=start_factor)
    if gamma is not None:
        if end_factor != USUAL_END:
            raise ConfigError(wrong("gamma", gamma, f"give either gamma or end_factor={end_factor:g}, not both"))
        rate = gamma
        above(0.0, gamma=rate)
        return lambda step: float(start_factor * rate**step)
    above(0.0, end_factor=end_factor)
    n, ratio = known(total_steps), end_factor / start_factor
    return lambda step: float(start_factor * ratio ** progress(step, n))

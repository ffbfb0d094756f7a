"""Noise on a schedule: a factor around 1 that depends on the seed and the step only."""

from __future__ import annotations

import random

from lit_optim.errors import ConfigError, wrong
from lit_optim.schedules.base import Schedule
from lit_optim.schedules.checks import above, at_least

TRIES = 1000  # of a draw, where the noise is much wider than its limit


def noise(*, std: float = 1.0, limit: float = 0.67, seed: int = 42, every: int = 1) -> Schedule:
    """Build ``f(t) = 1 + e`` with normal noise e of width ``std``, drawn again until ``|e| < limit``.

    The draw depends on (seed, t) only: the same on all ranks, and after a resume.

    Args:
        std: standard deviation before the cut, above 0.
        limit: bound of the noise, in (0, 1], so that the factor stays above 0.
        seed: seed of the draws.
        every: optimizer steps for which one draw holds, at least 1.

    Raises:
        ConfigError: for values out of range.

    Example:
        >>> shaky = noise(std=0.1, limit=0.3)
        >>> shaky(5) == shaky(5), 0.7 < shaky(5) < 1.3, shaky(5) == shaky(6)
        (True, True, False)
    """
    above(0.0, std=std, limit=limit)
    at_least(1, every=every)
    if limit > 1:
        raise ConfigError(wrong("limit", limit, "must be at most 1, or the factor would get below 0"))

    def factor(step: int) -> float:
        draw = random.Random(f"{seed} {int(step // every)}")
        draws = (draw.gauss(0.0, std) for _ in range(TRIES))
        return 1.0 + next((value for value in draws if abs(value) < limit), 0.0)

    return factor

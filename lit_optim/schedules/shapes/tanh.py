from __future__ import annotations

from math import inf
from math import tanh as tanh_of

from lit_optim.errors import ConfigError, wrong
from lit_optim.schedules.base import Schedule, known, progress
from lit_optim.schedules.checks import at_least, between


def tanh(
    total_steps: int | None = None,
    *,
    start_factor: float = 1.0,
    end_factor: float = 0.0,
    lower: float = -6.0,
    upper: float = 3.0,
) -> Schedule:
    """A smooth step down, half of a hyperbolic tangent between two bounds.

    ``f(t) = end + (start - end) * (1 - tanh(lower * (1 - r) + upper * r)) / 2``.
    Hsueh et al. 2019, arXiv:1806.01593 (HTD), with r = t / total_steps. As in the paper it comes near its two ends
    only: with the default bounds it begins 6e-6 below ``start_factor`` and ends 0.0025 above ``end_factor``.

    Args:
        total_steps: optimizer steps of the phase; the value there holds from there on.
        start_factor: factor that it comes from, at least 0.
        end_factor: factor that it goes to, at least 0.
        lower: argument of tanh at step 0, below ``upper``.
        upper: argument of tanh at step ``total_steps``.

    Raises:
        LengthUnknown: without ``total_steps``.

    Example:
        >>> [round(tanh(9)(t), 3) for t in (0, 3, 6, 9)]
        [1.0, 0.998, 0.5, 0.002]
    """
    n = known(total_steps)
    at_least(0.0, start_factor=start_factor, end_factor=end_factor)
    between(-inf, inf, lower=lower, upper=upper)
    if not lower < upper:
        raise ConfigError(wrong("lower", lower, f"must be below upper={upper:g}"))
    half, width = (start_factor - end_factor) / 2, upper - lower
    return lambda step: end_factor + half * (1 - tanh_of(lower + width * progress(step, n)))

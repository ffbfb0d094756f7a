from __future__ import annotations

from lit_optim.schedules.base import Schedule, known, progress
from lit_optim.schedules.checks import above, at_least


def polynomial(
    total_steps: int | None = None,
    *,
    start_factor: float = 1.0,
    end_factor: float = 0.0,
    power: float = 1.0,
    k: float = 1.0,
) -> Schedule:
    """A power of what is left: ``f(t) = end + (start - end) * (1 - (t / total_steps) ** k) ** power``.

    Args:
        total_steps: optimizer steps of the phase.
        start_factor: factor at step 0, at least 0.
        end_factor: factor at step ``total_steps`` and from there on, at least 0.
        power: above 0; 1 is linear.
        k: power of the time, above 0 (k-decay, arXiv:2004.05909); above 1 = it falls later and more steeply.

    Raises:
        LengthUnknown: without ``total_steps``.

    Example:
        >>> [polynomial(4, power=2)(t) for t in range(5)]
        [1.0, 0.5625, 0.25, 0.0625, 0.0]
    """
    n = known(total_steps)
    at_least(0.0, start_factor=start_factor, end_factor=end_factor)
    above(0.0, power=power, k=k)
    if k == 1.0:
        return lambda step: float(end_factor + (start_factor - end_factor) * (1 - progress(step, n)) ** power)
    return lambda step: float(end_factor + (start_factor - end_factor) * (1 - progress(step, n) ** k) ** power)

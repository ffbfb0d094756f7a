from __future__ import annotations

from lit_optim.schedules.base import Schedule, known, progress
from lit_optim.schedules.checks import at_least


def rex(total_steps: int | None = None, *, start_factor: float = 1.0, end_factor: float = 0.0) -> Schedule:
    """Reflected exponential: ``f(t) = end + (start - end) * (1 - r) / (1 / 2 + (1 - r) / 2)``, r = t / total_steps.

    Chen et al. 2022, arXiv:2107.04197: above a straight line all the way, and steepest at its end.

    Args:
        total_steps: optimizer steps of the phase.
        start_factor: factor at step 0, at least 0.
        end_factor: factor at step ``total_steps`` and from there on, at least 0.

    Raises:
        LengthUnknown: without ``total_steps``.

    Example:
        >>> [round(rex(4)(t), 3) for t in range(6)]
        [1.0, 0.857, 0.667, 0.4, 0.0, 0.0]
    """
    n = known(total_steps)
    at_least(0.0, start_factor=start_factor, end_factor=end_factor)
    twice = 2 * (start_factor - end_factor)

    def reflected(step: int) -> float:
        left = 1 - progress(step, n)
        return end_factor + twice * left / (1 + left)

    return reflected

from __future__ import annotations

from lit_optim.schedules.base import Schedule
from lit_optim.schedules.check import at_least


def constant(total_steps: int | None = None, *, factor: float = 1.0) -> Schedule:
    """The same factor at every step: ``f(t) = factor``.

    Args:
        total_steps: not used; the schedule is endless.
        factor: at least 0.

    Example:
        >>> constant(factor=0.5)(7)
        0.5
    """
    at_least(0.0, factor=factor)
    return lambda step: factor

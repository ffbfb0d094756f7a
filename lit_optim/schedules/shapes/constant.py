from __future__ import annotations

from lit_optim.schedules.base import Schedule
from lit_optim.schedules.checks import at_least


def constant(total_steps: int | None = None, *, factor: float = 1.0, start_factor: float = 1.0) -> Schedule:
    """The same factor at every step: ``f(t) = start_factor * factor``.

    As a warmup it holds ``start_factor`` for its whole length (Goyal et al. 2017, arXiv:1706.02677, section 2.2:
    constant warmup), as a cooldown the value where ``main`` ends.

    Args:
        total_steps: not used; the schedule is endless.
        factor: at least 0.
        start_factor: what a slot begins at, at least 0.

    Example:
        >>> constant(factor=0.5)(7)
        0.5
    """
    at_least(0.0, factor=factor, start_factor=start_factor)
    level = start_factor * factor
    return lambda step: level

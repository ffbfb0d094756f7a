from __future__ import annotations

from lit_optim.schedules.base import Schedule, known, progress
from lit_optim.schedules.checks import at_least


def linear(total_steps: int | None = None, *, start_factor: float = 1.0, end_factor: float = 0.0) -> Schedule:
    r"""A straight line: ``f(t) = start_factor * (1 - t / total_steps) + end_factor * t / total_steps``.

    Args:
        total_steps: optimizer steps of the phase.
        start_factor: factor at step 0, at least 0.
        end_factor: factor at step ``total_steps`` and from there on, at least 0.

    Raises:
        LengthUnknown: without ``total_steps``.

    Example:
        >>> [linear(4)(t) for t in range(5)]
        [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    n = known(total_steps)
    at_least(0.0, start_factor=start_factor, end_factor=end_factor)

    def line(step: int) -> float:
        done = progress(step, n)
        return start_factor * (1 - done) + end_factor * done  # both ends exact

    return line

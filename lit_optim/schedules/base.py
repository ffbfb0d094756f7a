"""The step convention of every schedule.

A *schedule* is a pure function ``step -> factor``: ``step`` is the 0-based index of the optimizer step that uses the
value, ``factor`` multiplies each group's initial value. A *factory* is ``total_steps -> schedule``, where
``total_steps`` is the length N of the phase that the schedule fills (None: the phase is endless). Within a phase the
value at ``step == 0`` is ``start_factor``, the value at ``step == N`` is ``end_factor``, which holds from there on, so
the last step that is used is one before it.

    >>> from lit_optim.schedules import linear, join
    >>> half = linear(10, end_factor=0.5)
    >>> half(0), half(5), half(10), half(99)
    (1.0, 0.75, 0.5, 0.5)
    >>> two = join(20, phases=[linear, lambda n: linear(n, start_factor=0.0, end_factor=1.0)], lengths=[10, None])
    >>> two(5), two(10), two(15)
    (0.5, 0.0, 0.5)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeAlias

from lit_optim.duration import LengthUnknown

Schedule: TypeAlias = Callable[[int], float]
ScheduleFactory: TypeAlias = Callable[..., Schedule]

Steps = Annotated[int, "steps"]
"""Annotation of a shape's argument that is a length: users may write it as a duration (``10%``, ``2ep``)."""


def known(total_steps: int | None) -> int:
    """``total_steps``, or an error where a shape needs the phase's length and it is unknown."""
    if total_steps is None:
        raise LengthUnknown("total_steps is unknown")
    return total_steps


def progress(step: int, total_steps: int) -> float:
    """The share of a phase that is behind us, clamped to [0, 1]: the only clamp of the shapes.

    Example:
        >>> progress(5, 10), progress(12, 10), progress(0, 0)
        (0.5, 1.0, 1.0)
    """
    return step / total_steps if step < total_steps else 1.0

"""The algebra: functions over factories, which give a factory again (with ``functools.partial``)."""

from __future__ import annotations

import inspect
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from lit_optim.errors import ConfigError
from lit_optim.schedules.base import Schedule, ScheduleFactory, Steps, known
from lit_optim.schedules.checks import at_least
from lit_optim.schedules.shapes.linear import linear


def join(
    total_steps: int | None = None, *, phases: Sequence[ScheduleFactory], lengths: Sequence[int | None]
) -> Schedule:
    """Phases end to end; each counts its own steps from 0.

    Args:
        total_steps: optimizer steps of all phases together.
        phases: one factory a phase.
        lengths: optimizer steps a phase; None, once at most, takes what the others leave.

    Raises:
        ConfigError: where the numbers of phases and lengths differ, or the lengths exceed ``total_steps``.

    Example:
        >>> from lit_optim.schedules import constant, linear
        >>> [join(6, phases=[constant, linear], lengths=[2, None])(t) for t in range(7)]
        [1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    if not phases or len(phases) != len(lengths):
        raise ConfigError(f"lengths={list(lengths)}: one length a phase is needed, and there are {len(phases)} phases")
    sizes = _sizes(total_steps, lengths)
    schedules = [phase(size) for phase, size in zip(phases, sizes, strict=True)]
    if len(schedules) == 1:
        return schedules[0]
    edges = [0, *accumulate(size or 0 for size in sizes[:-1])]
    if len(schedules) == 2:  # warmup, then main: nearly every run, so it gets the short path
        (first, second), edge = schedules, edges[1]
        return lambda step: second(step - edge) if step >= edge else first(step)

    def joined(step: int) -> float:
        phase = bisect_right(edges, step) - 1
        return schedules[phase](step - edges[phase])

    return joined


def _sizes(total_steps: int | None, lengths: Sequence[int | None]) -> list[int | None]:
    at_least(0, **{f"lengths[{i}]": length for i, length in enumerate(lengths) if length is not None})
    named = sum(length for length in lengths if length is not None)
    if total_steps is not None and named > total_steps:
        raise ConfigError(f"lengths={list(lengths)}: {named} steps are longer than total_steps={total_steps}")
    rests = [i for i, length in enumerate(lengths) if length is None]
    if len(rests) > 1:
        raise ConfigError(f"lengths={list(lengths)}: only one phase can take what is left")
    if rests and (rests[0] != len(lengths) - 1 or total_steps is not None):
        rest = known(total_steps) - named
        return [rest if length is None else length for length in lengths]
    return list(lengths)  # an endless last phase


def warmup(
    total_steps: int | None = None,
    *,
    warmup_steps: Steps,
    after: ScheduleFactory,
    shape: ScheduleFactory = linear,
    start_factor: float | None = None,
) -> Schedule:
    """A ramp to factor 1, then ``after`` for what is left of ``total_steps``.

    With ``start_factor`` s the ramp is ``s + (1 - s) * t / warmup_steps`` (torch's LinearLR); without, it is
    ``(t + 1) / warmup_steps``: never 0, and 1 at its last step.

    Args:
        total_steps: optimizer steps of both phases.
        warmup_steps: optimizer steps of the ramp, at least 0.
        after: factory of what follows.
        shape: factory of the ramp, between ``start_factor`` and ``end_factor``.
        start_factor: factor at step 0, at least 0; None for the ramp that is never 0.

    Example:
        >>> from lit_optim.schedules import constant
        >>> [warmup(6, warmup_steps=4, after=constant)(t) for t in range(5)]
        [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    return join(total_steps, phases=[ramp(shape, start_factor), after], lengths=[warmup_steps, None])


def ramp(shape: ScheduleFactory, start_factor: float | None = None) -> ScheduleFactory:
    """The factory of a warmup: ``shape`` upwards to 1; without ``start_factor`` from 0, read one step ahead.

    A shape that has no ``end_factor`` (constant) is not led upwards: its warmup ends in a step up.

    Raises:
        ConfigError: where such a shape is at factor 1 already, and so warms nothing up.
    """

    def upwards(total_steps: int | None = None) -> Schedule:
        if not _takes_end_factor(shape):
            held = shape(total_steps) if start_factor is None else shape(total_steps, start_factor=start_factor)
            if start_factor is None and held(0) == 1.0:
                raise ConfigError("start_factor: missing; a constant warmup needs the factor to hold, e.g. 0.1")
            return held
        if start_factor is not None:
            return shape(total_steps, start_factor=start_factor, end_factor=1.0)
        from_zero = shape(total_steps, start_factor=0.0, end_factor=1.0)
        return lambda step: from_zero(step + 1)

    return upwards


def _takes_end_factor(shape: ScheduleFactory) -> bool:
    parameters = inspect.signature(shape).parameters.values()
    return any(p.name == "end_factor" or p.kind is p.VAR_KEYWORD for p in parameters)

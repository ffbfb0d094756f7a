"""Schedule in epochs where their length has changed within the run, as after a resume with another batch size."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from lit_optim.duration import RunLength, parse
from lit_optim.errors import ConfigError
from lit_optim.schedules.base import Schedule
from lit_optim.schedules.plan.phase_configs import PhaseConfig
from lit_optim.schedules.plan.phase_schedule import ScheduleContext, phase_schedule
from lit_optim.schedules.plan.shape_factory import length_arguments, shape_factory
from lit_optim.schedules.plan.timeline import number


def counts_epochs(phase: PhaseConfig) -> bool:
    """Return whether a shape has a length in epochs among its arguments.

    Example:
        >>> drops = PhaseConfig("main", "scheduler.main", {"shape": "step", "step_size": "2ep", "gamma": 0.1})
        >>> counts_epochs(drops)
        True
    """
    names = length_arguments(shape_factory(phase.options["shape"], f"{phase.key}.shape"))
    values = [phase.options[name] for name in names if name in phase.options]
    return any(
        _in_epochs(item) for value in values for item in (value if isinstance(value, (list, tuple)) else [value])
    )


def _in_epochs(value: Any) -> bool:
    try:
        return parse(value).unit == "ep"
    except ConfigError:  # `warmup`, or what its phase rejects with its own key
        return False


def by_epochs(
    phase: PhaseConfig, context: ScheduleContext, start: int, stop: int | None, begin: float | None
) -> Schedule:
    """Build the schedule of a phase in steps of equal epochs, and read it where as many epochs are done.

    Args:
        phase: with a length in epochs among its arguments.
        context: the schedule that it is a part of.
        start: the optimizer step at which it starts.
        stop: where it stops; None: it is endless.
        begin: the factor at which the phase before it ends, if there is one.
    """
    run = context.run_length
    length = None if stop is None else round(_equal_steps(run, start, stop))
    schedule = phase_schedule(phase, context, length, begin)
    return lambda step: schedule(number(_equal_steps(run, start, start + step)))


def _equal_steps(run: RunLength, start: int, step: Any) -> Fraction:
    """Return the steps of the present epochs that are as many epochs as between two steps of the run."""
    done = run.epochs_at(Fraction(step)) - run.epochs_at(start)
    return done * run.epoch("epochs")

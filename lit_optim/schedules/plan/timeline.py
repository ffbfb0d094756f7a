"""Move a plan within a run that was resumed: begin it anew, stretch what is left of it, or end it by a decay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from lit_optim.duration import RunLength
from lit_optim.schedules.base import Schedule
from lit_optim.schedules.plan.plan import Phase, Plan


@dataclass(frozen=True)
class Timeline:
    """Reads a schedule at ``position + rate * (t - begin)`` in optimizer step t.

    Args:
        begin: optimizer step from which on the rest holds.
        position: step of the schedule at that time.
        rate: steps of the schedule in each optimizer step, above 0.

    Example:
        >>> slower = Timeline(begin=10, position=Fraction(10), rate=Fraction(1, 2))
        >>> [slower(step) for step in (10, 11, 12)], slower.inverse(20)
        ([10, 10.5, 11], 30)
    """

    begin: int = 0
    position: Fraction = Fraction(0)
    rate: Fraction = Fraction(1)

    @property
    def is_identity(self) -> bool:
        """Return whether steps of the schedule are optimizer steps."""
        return self.rate == 1 and self.position == self.begin

    def exact(self, step: int) -> Fraction:
        """Return the step of the schedule without rounding."""
        return self.position + self.rate * (Fraction(step) - self.begin)

    def __call__(self, step: int) -> Any:
        """Return the step of the schedule, between two steps as a float."""
        return number(self.exact(step))

    def inverse(self, step: int) -> int:
        """Return the first optimizer step at which the schedule has reached one of its steps."""
        return -int((self.position - step) / self.rate // 1) + self.begin


def number(value: Fraction) -> Any:
    """Return a fraction as an int where it is one, else as a float.

    Example:
        >>> number(Fraction(4, 2)), number(Fraction(1, 2))
        (2, 0.5)
    """
    return int(value) if value.denominator == 1 else float(value)


def moved(plan: Plan, timeline: Timeline) -> Plan:
    """Return a plan whose schedule and phases are read through a timeline.

    Example:
        >>> plan = Plan(lambda step: float(step), (Phase("main", 0, 8),), 8)
        >>> anew = moved(plan, Timeline(begin=10))
        >>> anew.schedule(12), anew.stop
        (2.0, 18)
    """
    if timeline.is_identity:
        return plan
    phases = {phase: _moved_phase(phase, timeline) for phase in plan.phases}
    stop = None if plan.stop is None else timeline.inverse(plan.stop)
    plateaus = tuple((phases[phase], made) for phase, made in plan.plateaus)
    return Plan(lambda step: plan.schedule(timeline(step)), (*phases.values(),), stop, plateaus, plan.shapes)


def _moved_phase(phase: Phase, timeline: Timeline) -> Phase:
    stop = None if phase.stop is None else timeline.inverse(phase.stop)
    return replace(phase, start=timeline.inverse(phase.start), stop=stop)


def held_for_epochs(plan: Plan, run: RunLength, epochs: int) -> Plan:
    """Return a plan that holds each value for some epochs, of whatever length they are in steps.

    Args:
        plan: of a run whose epochs have changed their length.
        run: its length.
        epochs: for which a value is held, at least 1.
    """

    def held(step: int) -> float:
        begun = run.epochs_at(Fraction(step)) // epochs * epochs
        return plan.schedule(number(Fraction(-int(-run.step_at(Fraction(begun)) // 1))))

    return replace(plan, schedule=held)


def decaying(decay: Schedule, factor: float, begin: int, steps: int) -> Plan:
    """Return the plan of a cooldown: from some factor on, times a schedule from 1 to its end.

    Args:
        decay: of so many steps.
        factor: at which the run stands.
        begin: optimizer step at which it begins.
        steps: its length.

    Example:
        >>> decaying(lambda x: 1 - x / 4, 0.5, 10, 4).schedule(12)
        0.25
    """
    return Plan(
        lambda step: factor * decay(max(step - begin, 0)), (Phase("cooldown", begin, begin + steps),), begin + steps
    )

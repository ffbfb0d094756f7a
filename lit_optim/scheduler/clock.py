"""Map the optimizer steps of a run to a schedule, also where the run was resumed with another length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lit_optim.duration import RunLength
from lit_optim.scheduler.driven_value import LR, DrivenValue
from lit_optim.schedules.plan.compose_plan import compose_plan
from lit_optim.schedules.plan.phase_configs import PhaseConfig
from lit_optim.schedules.plan.phase_schedule import ScheduleContext, phase_schedule
from lit_optim.schedules.plan.plan import Plan
from lit_optim.schedules.plan.timeline import Timeline, decaying, held_for_epochs, moved
from lit_optim.schedules.shapes.plateau import PlateauState


@dataclass(frozen=True)
class Decay:
    """A cooldown in place of what is left of a schedule: the lr falls from where it stands.

    Args:
        begin: optimizer step at which it begins.
        steps: its length in optimizer steps.
        options: its ``shape`` and the shape's arguments.
        factors: of each driven lr at that step, by its id.
    """

    begin: int
    steps: int
    options: Mapping[str, Any]
    factors: Mapping[str, float]

    def replace_lrs(self, values: Sequence[DrivenValue]) -> None:
        """Give the driven values of the lr the plan of the cooldown; others keep theirs."""
        phase = PhaseConfig("cooldown", "resume.schedule", self.options)
        decay = phase_schedule(phase, ScheduleContext(RunLength(self.steps), key="resume"), self.steps, 1.0)
        for value in values:
            if value.key == LR and value.id in self.factors:
                value.plan = decaying(decay, self.factors[value.id], self.begin, self.steps)
                value.states, value.hold = [PlateauState() for _ in value.plan.plateaus], 1


@dataclass(frozen=True)
class Clock:
    """Maps optimizer steps to a schedule.

    Args:
        run_length: the length of the run that the schedule is composed for.
        interval: ``step``, or ``epoch`` to hold each value for a whole epoch.
        frequency: hold each value for that many intervals.
        timeline: which step of the schedule is read at an optimizer step.
        decay: ends the run in place of what is left of the schedule; None: the schedule goes on.
    """

    run_length: RunLength
    interval: str = "step"
    frequency: int = 1
    timeline: Timeline = field(default_factory=Timeline)
    decay: Decay | None = None

    @property
    def rhythm(self) -> tuple[int, int]:
        """Return the optimizer steps of an interval, and for how many intervals a value is held."""
        if self.interval != "epoch":
            return 1, self.frequency
        return (1, 1) if self._holds_epochs else (self.run_length.epoch("scheduler.interval"), self.frequency)

    @property
    def _holds_epochs(self) -> bool:
        return self.interval == "epoch" and (bool(self.run_length.knots) or not self.timeline.is_identity)

    def compose(self, config: Mapping[str, Any], *, base_lr: float, key: str, mode: str) -> Plan:
        """Compose the plan of one schedule of the run."""
        plan = compose_plan(config, self.run_length, base_lr=base_lr, mode=mode, key=key)
        if self._holds_epochs:
            plan = held_for_epochs(plan, self.run_length, 1 if plan.plateaus else self.frequency)
        return moved(plan, self.timeline)

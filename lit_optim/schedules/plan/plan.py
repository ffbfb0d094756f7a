"""Describe a run: one schedule over all its steps, and the steps of its phases."""

from __future__ import annotations

from dataclasses import dataclass

from lit_optim.schedules.base import Schedule
from lit_optim.schedules.shapes.plateau import Plateau

NEAR = 0.9  # of factor 1; a root's sqrt(W / (W + 1)) and a cycle's first step are no fall


@dataclass(frozen=True)
class Phase:
    """One filled phase: its name and the optimizer steps ``start <= t < stop`` (None: endless)."""

    name: str
    start: int
    stop: int | None


@dataclass(frozen=True)
class Plan:
    """The ``schedule`` over all steps, where its phases lie, and which of them a metric drives."""

    schedule: Schedule
    phases: tuple[Phase, ...]
    stop: int | None  # optimizer steps of all phases together; None: endless
    plateaus: tuple[tuple[Phase, Plateau], ...] = ()
    shapes: tuple[str, ...] = ()  # of the phases, by name; empty: not known

    def falls_after_warmup(self) -> float | None:
        """Return the factor at which the phase after the warmup begins, if it has its own ramp; else None."""
        if len(self.phases) < 2 or self.phases[0].name != "warmup":
            return None
        begin = self.schedule(self.phases[1].start)
        return begin if begin < NEAR else None

    def plateau_at(self, step: int) -> int | None:
        """Return the index of the plateau that a metric at this step drives; the last phase has no end.

        Example:
            >>> from lit_optim.schedules.shapes.plateau import plateau
            >>> first = Phase("first", 5, 8)
            >>> plan = Plan(float, (first, Phase("last", 8, None)), None, ((first, plateau()),))
            >>> [plan.plateau_at(step) for step in (4, 5, 7, 8)]
            [None, 0, 0, None]
        """
        for i, (phase, _) in enumerate(self.plateaus):
            if phase.start <= step and (phase.stop is None or step < phase.stop or phase == self.phases[-1]):
                return i
        return None


def plan_name(plan: Plan) -> str:
    """Name a schedule by its phases, and ``main`` by its shape.

    Example:
        >>> phases = (Phase("warmup", 0, 5), Phase("main", 5, 20))
        >>> plan_name(Plan(float, phases, 20, shapes=("linear", "cosine"))), plan_name(Plan(float, phases, 20))
        ('warmup + cosine', 'warmup + main')
    """
    shapes = plan.shapes or [phase.name for phase in plan.phases]
    names = zip(plan.phases, shapes, strict=True)
    return " + ".join(shape if phase.name == "main" else phase.name for phase, shape in names)

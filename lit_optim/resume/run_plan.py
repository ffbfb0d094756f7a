"""Plan the schedule of a run: how long it is, and where it goes on after a resume or a change of its length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from lit_optim.config.resume_policy import ResumePolicy
from lit_optim.duration import RunLength
from lit_optim.errors import ConfigError
from lit_optim.scheduler.clock import Clock, Decay
from lit_optim.schedules.plan.timeline import Timeline

START = (Fraction(0), Fraction(0))


@dataclass(frozen=True)
class RunPlan:
    """The plan of one optimizer's schedule in a run.

    Args:
        clock: maps the optimizer's steps to the schedule.
        end: the Trainer's count of steps at which the run ends; None where unknown.
        first_epoch: of the Trainer, in which the schedule began.
        epoch_steps: of the Trainer's epochs, where the schedule is stretched and keeps its own; None: the schedule's.
        given: whether the configuration has given the length.
    """

    clock: Clock
    end: int | None = None
    first_epoch: Fraction = Fraction(0)
    epoch_steps: int | None = None
    given: bool = False

    @property
    def per_epoch(self) -> int | None:
        """Return the steps of the Trainer's epochs."""
        return self.clock.run_length.steps_per_epoch if self.epoch_steps is None else self.epoch_steps


@dataclass(frozen=True)
class Rest:
    """What is done of a run, and what its Trainer still has to do.

    Args:
        done: steps of the optimizer.
        left: steps that it still takes; None where unknown.
        per_epoch: steps of an epoch from now on; None where unknown.
        epoch: epochs that are done, so that the present one ends where Lightning ends it; None where unknown.
        end: the Trainer's count of steps at its end; None where unknown.
    """

    done: int
    left: int | None
    per_epoch: int | None
    epoch: Fraction | None
    end: int | None


def first_plan(clock: Clock, rest: Rest) -> RunPlan:
    """Return the plan of a schedule that begins now."""
    return RunPlan(clock, rest.end, rest.epoch or Fraction(0))


def as_planned(saved: RunPlan, rest: Rest, given_total: int | None = None) -> RunPlan | None:
    """Return the plan of a run that ends where it says, in epochs as long as before; None for another run."""
    run = saved.clock.run_length
    if (saved.end, saved.per_epoch) != (rest.end, rest.per_epoch) or (saved.given and given_total is None):
        return None
    return (
        saved
        if given_total is None
        else replace(saved, clock=replace(saved.clock, run_length=replace(run, total_steps=given_total)))
    )


def continued(saved: RunPlan, rest: Rest, given_total: int | None = None) -> RunPlan:
    """Return the plan of a run that goes on with another length: its end is the steps done and those left.

    Args:
        saved: the plan so far.
        rest: of the run.
        given_total: length that the configuration gives; None: that of the run counts.

    Example:
        >>> saved = RunPlan(Clock(RunLength(40, 10)), end=40)
        >>> rest = Rest(done=20, left=10, per_epoch=5, epoch=Fraction(2), end=30)
        >>> plan = continued(saved, rest)
        >>> plan.clock.run_length.total_steps, plan.clock.run_length.step_at(Fraction(3))
        (30, Fraction(25, 1))
    """
    position = round(saved.clock.timeline.exact(rest.done))
    total = given_total if given_total or rest.left is None else position + rest.left
    epoch = None if rest.epoch is None else rest.epoch - saved.first_epoch
    knots = _knots(saved.clock.run_length, position, epoch, rest.per_epoch)
    timeline = Timeline() if position == rest.done else Timeline(rest.done, Fraction(position))
    clock = replace(saved.clock, run_length=RunLength(total, rest.per_epoch, knots=knots), timeline=timeline)
    return replace(saved, clock=clock, end=rest.end, epoch_steps=None, given=False)


def _knots(before: RunLength, position: int, epoch: Fraction | None, per_epoch: int | None) -> Any:
    """Return where the length of an epoch has changed, with this position if it changes here."""
    if epoch is None or per_epoch is None or not position or not epoch:
        return ()
    if (not before.knots or before.steps_per_epoch == per_epoch) and epoch * per_epoch == position:
        return ()
    if before.steps_per_epoch == per_epoch and before.epochs_at(position) == epoch:
        return before.knots
    knots = [knot for knot in before.knots or (START,) if knot[0] < position and knot[1] < epoch]
    return (*knots, (Fraction(position), epoch))


def restarted(saved: RunPlan, rest: Rest, given_total: int | None = None) -> RunPlan:
    """Return the plan of a schedule that begins anew at this step."""
    total = given_total or rest.left
    run = RunLength(total, rest.per_epoch)
    clock = replace(saved.clock, run_length=run, timeline=Timeline(rest.done), decay=None)
    return RunPlan(clock, rest.end, rest.epoch or Fraction(0))


def stretched(saved: RunPlan, rest: Rest) -> RunPlan:
    """Return the plan in which what is left of the schedule takes what is left of the run.

    Raises:
        ConfigError: where the end of the old run or of the new one is not known, or has been reached.

    Example:
        >>> saved = RunPlan(Clock(RunLength(40)), end=40)
        >>> stretched(saved, Rest(20, 10, None, None, 30)).clock.timeline
        Timeline(begin=20, position=Fraction(20, 1), rate=Fraction(2, 1))
    """
    total, advice = saved.clock.run_length.total_steps, "write resume=continue, or resume=restart"
    position = saved.clock.timeline.exact(rest.done)
    if total is None or not rest.left:
        which = "the checkpoint's run was" if total is None else "this run is"
        raise ConfigError(f"resume.schedule=stretch: how long {which} is not known; {advice}")
    if position >= total:
        rule = f"nothing of the schedule is left to stretch, it ended at step {rest.done}"
        raise ConfigError(f"resume.schedule=stretch: {rule}; {advice}, or resume=cooldown")
    timeline = Timeline(rest.done, position, (total - position) / rest.left)
    clock = replace(saved.clock, timeline=timeline)
    return replace(saved, clock=clock, end=rest.end, epoch_steps=rest.per_epoch, given=False)


def cooled_down(saved: RunPlan, rest: Rest, policy: ResumePolicy, factors: Mapping[str, float]) -> RunPlan:
    """Return the plan of a run that ends by a decay from where its lr stands.

    Args:
        saved: the plan so far.
        rest: of the run.
        policy: with the length and the shape.
        factors: of each driven lr at this step, by its id.
    """
    steps = policy.cooldown_steps(rest.done, rest.per_epoch)
    plan = continued(saved, replace(rest, left=steps))
    decay = Decay(rest.done, steps, policy.cooldown_options, factors)
    return replace(plan, clock=replace(plan.clock, decay=decay), end=rest.end)


def to_dict(plan: RunPlan) -> dict[str, Any]:
    """Return a plan in plain containers, for a checkpoint."""
    run, timeline, decay = plan.clock.run_length, plan.clock.timeline, plan.clock.decay
    saved: dict[str, Any] = {
        "end": plan.end,
        "total_steps": run.total_steps,
        "steps_per_epoch": run.steps_per_epoch,
        "knots": [[str(step), str(epoch)] for step, epoch in run.knots],
        "first_epoch": str(plan.first_epoch),
        "timeline": [timeline.begin, str(timeline.position), str(timeline.rate)],
    }
    if plan.epoch_steps is not None:
        saved["epoch_steps"] = plan.epoch_steps
    if plan.given:
        saved["given"] = True
    if decay is not None:
        saved["decay"] = {**vars(decay), "options": dict(decay.options), "factors": dict(decay.factors)}
    return saved


def from_dict(saved: Any, clock: Clock) -> RunPlan | None:
    """Read the plan of a checkpoint; return None where there is none.

    Args:
        saved: as `to_dict` has written it.
        clock: of the present schedule, whose interval and frequency count.

    Raises:
        ConfigError: for one that is damaged.

    Example:
        >>> plan = RunPlan(Clock(RunLength(40, 10)), end=40)
        >>> from_dict(to_dict(plan), Clock(RunLength())) == plan
        True
    """
    if saved is None:
        return None
    try:
        begin, position, rate = saved["timeline"]
        knots = tuple((Fraction(step), Fraction(epoch)) for step, epoch in saved["knots"])
        lengths = [None if saved[key] is None else int(saved[key]) for key in ("total_steps", "steps_per_epoch")]
        decay = Decay(**saved["decay"]) if "decay" in saved else None
        timeline = Timeline(int(begin), Fraction(position), Fraction(rate))
        if timeline.rate <= 0 or any(length is not None and length < 1 for length in lengths):
            raise ValueError("not positive")
        run = RunLength(lengths[0], lengths[1], knots=knots)
        clock = replace(clock, run_length=run, timeline=timeline, decay=decay)
        end = None if saved["end"] is None else int(saved["end"])
        epoch_steps = None if saved.get("epoch_steps") is None else int(saved["epoch_steps"])
        return RunPlan(clock, end, Fraction(saved["first_epoch"]), epoch_steps, bool(saved.get("given")))
    except (KeyError, TypeError, ValueError, ArithmeticError):
        raise ConfigError("ckpt_path: its entry 'lit_optim.runs' is not one that lit-optim has written") from None

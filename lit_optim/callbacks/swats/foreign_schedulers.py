"""Find schedulers of torch and of other packages that would overwrite SGD's learning rate from SWATS."""

from __future__ import annotations

from typing import Any

from lit_optim.errors import ConfigError
from lit_optim.scheduler.overwritten_lr import overwrites
from lit_optim.scheduler.schedule_lr import ScheduleLR

MAX_STEPS = 10_000  # of a trial: a few hundredths of a second
ADVICE = "choose one of lit-optim's (lit-optim list scheduler), which do"


def reject_other_schedules(schedulers: list[Any], steps: int | None, *, follow: bool) -> None:
    """Reject schedulers that would overwrite or schedule the learning rate that SWATS gives to SGD.

    Args:
        schedulers: of the fit.
        steps: length of the run in optimizer steps, where it is known.
        follow: whether the schedule is to go on after the switch; only `ScheduleLR` knows ``scheduled: False``.

    Raises:
        ConfigError: with the class.
    """
    for scheduler in schedulers:
        if isinstance(scheduler, ScheduleLR):
            continue
        if not follow:
            rule = "does not know groups whose lr is fixed (optim_callbacks.swats.follow_schedule=false)"
        elif at := overwrites(scheduler, min(steps or MAX_STEPS, MAX_STEPS)):
            rule = f"computes the lr from its own initial one: after {at} steps it would put Adam's in place of SGD's"
        else:
            continue
        raise ConfigError(f"scheduler: torch's {type(scheduler).__name__} {rule}; {ADVICE}")

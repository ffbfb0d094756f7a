"""Reject schedulers of torch and of other packages that do not go with SWATS."""

from __future__ import annotations

from typing import Any

from lit_optim.callbacks.switch.foreign_schedulers import ADVICE, reject_overwriting
from lit_optim.errors import ConfigError
from lit_optim.scheduler.schedule_lr import ScheduleLR


def reject_other_schedules(schedulers: list[Any], steps: int | None, *, follow: bool) -> None:
    """Reject schedulers that would overwrite or schedule the learning rate that SWATS gives to SGD.

    Args:
        schedulers: of the fit.
        steps: length of the run in optimizer steps, where it is known.
        follow: whether the schedule is to go on after the switch; only `ScheduleLR` knows ``scheduled: False``.

    Raises:
        ConfigError: with the class.
    """
    other = next((each for each in schedulers if not isinstance(each, ScheduleLR)), None)
    if other is not None and not follow:
        rule = "does not know groups whose lr is fixed (optim_callbacks.swats.follow_schedule=false)"
        raise ConfigError(f"scheduler: torch's {type(other).__name__} {rule}; {ADVICE}")
    reject_overwriting(schedulers, steps, "Adam's", "SGD's")

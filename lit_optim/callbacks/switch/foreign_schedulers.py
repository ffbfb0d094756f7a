"""Find schedulers of torch and of other packages that would overwrite the lr that a change of optimizer has set."""

from __future__ import annotations

from typing import Any

from lit_optim.errors import ConfigError
from lit_optim.scheduler.overwritten_lr import overwrites
from lit_optim.scheduler.schedule_lr import ScheduleLR

MAX_STEPS = 10_000  # of a trial: a few hundredths of a second
ADVICE = "choose one of lit-optim's (lit-optim list scheduler), which do"


def reject_overwriting(schedulers: list[Any], steps: int | None, before: str, after: str) -> None:
    """Reject schedulers that would overwrite the lr that a change of optimizer sets.

    Args:
        schedulers: of the fit.
        steps: length of the run in optimizer steps, where it is known.
        before: whose lr it would put, e.g. ``Adam's``.
        after: in place of whose.

    Raises:
        ConfigError: with the class.
    """
    for scheduler in schedulers:
        if not isinstance(scheduler, ScheduleLR) and (at := overwrites(scheduler, min(steps or MAX_STEPS, MAX_STEPS))):
            rule = f"from its own initial one: after {at} steps it would put {before} in place of {after}"
            raise ConfigError(f"scheduler: torch's {type(scheduler).__name__} computes the lr {rule}; {ADVICE}")

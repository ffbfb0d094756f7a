"""Whether a scheduler goes on from an lr that somebody else has written, or puts its own back: found out by trying."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lit_optim.errors import ConfigError
from lit_optim.scheduler.schedule_lr import ScheduleLR

MOST = 10_000  # steps of a trial: a few hundredths of a second
ADVICE = "choose one of lit-optim's (lit-optim list scheduler), which do"


def refuse_other_schedules(schedulers: list[Any], steps: int | None, *, follow: bool) -> None:
    """Refuses schedulers that would overwrite, or move on, the learning rate that SWATS gives to SGD.

    Args:
        schedulers: of the fit.
        steps: length of the run, where it is known.
        follow: whether the schedule is to go on after the switch; ``scheduled: False`` is known to ours only.

    Raises:
        ConfigError: with the class.
    """
    for scheduler in schedulers:
        if isinstance(scheduler, ScheduleLR):
            continue
        name = type(scheduler).__name__
        if not follow:
            rule = "does not know groups whose lr is fixed (optim_callbacks.swats.follow_schedule=false)"
            raise ConfigError(f"scheduler: torch's {name} {rule}; {ADVICE}")
        at = overwrites(scheduler, min(steps or MOST, MOST))
        if at is not None:
            rule = f"computes the lr from its own initial one: after {at} steps it would put Adam's in place of SGD's"
            raise ConfigError(f"scheduler: torch's {name} {rule}; {ADVICE}")


def overwrites(scheduler: Any, steps: int) -> int | None:
    """The step at which an lr that was doubled is the old one again; None if that never happens, or cannot be tried.

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
        >>> overwrites(torch.optim.lr_scheduler.StepLR(optimizer, 2), 10)
        >>> overwrites(torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.9**step), 10)
        1
    """
    if isinstance(scheduler, ReduceLROnPlateau):
        return None
    try:
        before, doubled = _twin(scheduler), _twin(scheduler)
        for group in doubled.optimizer.param_groups:
            group["lr"] = group["lr"] * 2
        ratio = 2.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for step in range(1, steps + 1):
                before.step()
                doubled.step()
                own, other = (float(twin.optimizer.param_groups[0]["lr"]) for twin in (before, doubled))
                before_this, ratio = ratio, other / own if own > 0 else ratio
                if ratio < 1.01 and before_this > 1.5:  # all at once: no floor that both come down to
                    return step
    except Exception:  # another package's scheduler, that does not like to be copied: nothing is known
        return None
    return None


def _twin(scheduler: Any) -> Any:
    """A copy of a scheduler over nothing."""
    optimizer: Optimizer = scheduler.optimizer
    stub = SGD([torch.zeros(1)], lr=0.1)
    stub.defaults = dict(optimizer.defaults)
    values = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    stub.param_groups = [{**copy.deepcopy(group), "params": [torch.zeros(1)]} for group in values]
    return copy.deepcopy(scheduler, {id(optimizer): stub})

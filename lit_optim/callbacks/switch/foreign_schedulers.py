"""Find schedulers of torch and of other packages that would overwrite the lr that a change of optimizer has set."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, CyclicLR, LambdaLR, OneCycleLR

from lit_optim.errors import ConfigError
from lit_optim.scheduler.schedule_lr import ScheduleLR

CLOSED_FORM = (CosineAnnealingWarmRestarts, CyclicLR, LambdaLR, OneCycleLR)  # each lr is computed from the initial one
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
            rule = (
                f"computes the lr from its own initial one: after {at} steps it would put {before} in place of {after}"
            )
            raise ConfigError(f"scheduler: torch's {type(scheduler).__name__} {rule}; {ADVICE}")


def overwrites(scheduler: Any, steps: int) -> int | None:
    """Return the step at which a scheduler overwrites an lr that was written into its optimizer's groups.

    Classes outside of the table of closed forms are tried: a copy that starts from twice the lr is compared with one
    that starts from the lr itself.

    Args:
        scheduler: of any class; one that cannot be copied or stepped alone counts as harmless.
        steps: how many steps are tried.

    Returns:
        None if it does not happen.

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
        >>> overwrites(torch.optim.lr_scheduler.StepLR(optimizer, 2), 10)
        >>> overwrites(torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4), 10)
        5
    """
    if type(scheduler) in CLOSED_FORM:
        return 1
    try:
        unscaled, doubled = _copy(scheduler, 1.0), _copy(scheduler, 2.0)
        ratio = 2.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for step in range(1, steps + 1):
                unscaled.step()
                doubled.step()
                lr, twice = (float(each.optimizer.param_groups[0]["lr"]) for each in (unscaled, doubled))
                before, ratio = ratio, twice / lr if lr > 0 else ratio
                if ratio < 1.01 and before > 1.5:  # in one step: both may come down to one floor in many
                    return step
    except Exception:  # a metric is needed, or another package's scheduler cannot be copied
        return None
    return None


def _copy(scheduler: Any, factor: float) -> Any:
    """Copy a scheduler over a dummy optimizer whose lrs are multiplied by a factor."""
    optimizer, stub = scheduler.optimizer, SGD([torch.zeros(1)], lr=0.1)
    groups = optimizer.param_groups
    stub.param_groups = [{**group, "params": [torch.zeros(1)], "lr": group["lr"] * factor} for group in groups]
    return copy.deepcopy(scheduler, {id(optimizer): stub})

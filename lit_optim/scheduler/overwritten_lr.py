"""Find schedulers of torch and of other packages that overwrite an lr which other code has written."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, CyclicLR, LambdaLR, OneCycleLR

CLOSED_FORM = (CosineAnnealingWarmRestarts, CyclicLR, LambdaLR, OneCycleLR)  # each lr is computed from the initial one


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

"""Step a torch scheduler on a dummy optimizer to find errors and non-finite lrs."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lit_optim.config.checks.check_by_building import check_by_building
from lit_optim.config.checks.coerce import Mismatch, coerce
from lit_optim.config.checks.ranges import check_ranges
from lit_optim.errors import ConfigError, Problems
from lit_optim.schedules.shapes.lambda_ import own_function

STEPS = 12
PER_GROUP = ("lr_lambda", "max_lr", "base_lr", "min_lr", "max_momentum", "base_momentum")  # may be one value per group


def try_scheduler(cls: type[LRScheduler], arguments: Mapping[str, Any], key: str, problems: Problems) -> dict[str, Any]:
    """Return the arguments with milestones as numbers and a named ``lr_lambda`` as the function.

    Collect those that the class rejects or that spoil the lr.

    Args:
        cls: only torch's own are tried; others may ask for an optimizer of their own.
        arguments: checked against its signature.
        key: dotted name of the spec.
        problems: collects what is wrong.

    Example:
        >>> found = Problems()
        >>> _ = try_scheduler(torch.optim.lr_scheduler.StepLR, {"step_size": 0}, "scheduler", found); print(found[0])
        scheduler.step_size=0: must be at least 1
    """
    given = dict(arguments)
    if not cls.__module__.startswith("torch.optim."):
        return given
    if "milestones" in given:
        try:
            given["milestones"] = coerce(given["milestones"], list[int])
        except Mismatch as mismatch:
            problems.add(f"{key}.milestones", given["milestones"], f"{cls.__name__} {mismatch}")
    if isinstance(given.get("lr_lambda"), str):
        try:
            given["lr_lambda"] = own_function(given["lr_lambda"], f"{key}.lr_lambda")
        except ConfigError as error:
            problems.take(error)
    check_ranges(cls, given, key, problems)
    if not problems:
        groups = max([len(given[k]) for k in PER_GROUP if isinstance(given.get(k), (list, tuple))], default=1)
        check_by_building(functools.partial(_run_scheduler, cls, groups), cls.__name__, given, key, problems)
    return given


def _run_scheduler(cls: type[LRScheduler], groups: int, **arguments: Any) -> None:
    """Build a scheduler and step it; its lrs must stay finite and not below 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optimizer = SGD([{"params": [torch.zeros(1)]} for _ in range(groups)], lr=0.1, momentum=0.9)
        scheduler: Any = cls(optimizer, **arguments)
        for _ in range(min(STEPS, int(arguments.get("total_steps", STEPS)))):
            scheduler.step(1.0) if isinstance(scheduler, ReduceLROnPlateau) else scheduler.step()
            for group in optimizer.param_groups:
                lr = float(group["lr"])
                if not math.isfinite(lr) or lr < 0:
                    raise ValueError(f"it leads to lr={lr:g}")

"""A scheduler of torch, tried on an optimizer over nothing: what only its class knows, and where its lrs go."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lit_optim.config.checks.call import trial
from lit_optim.config.checks.coerce import Mismatch, coerce
from lit_optim.errors import Problems

STEPS = 12
# lengths in calls of step(): the smallest that makes sense
LEAST = {
    "step_size": 1, "T_max": 1, "T_0": 1, "T_mult": 1, "total_steps": 1, "epochs": 1, "steps_per_epoch": 1,
    "step_size_up": 1, "step_size_down": 1, "PolynomialLR.total_iters": 1, "total_iters": 0, "patience": 0,
    "cooldown": 0, "gamma": 0, "max_lr": 0, "base_lr": 0, "eta_min": 0, "min_lr": 0, "milestones": 0,
}  # fmt: skip


def try_scheduler(cls: type[LRScheduler], arguments: Mapping[str, Any], key: str, problems: Problems) -> dict[str, Any]:
    """The arguments, with milestones as numbers; what the class refuses, or what it makes of them, is noted.

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
        hint = f"write scheduler=lambda scheduler.main.function={given['lr_lambda']}"
        problems.add(f"{key}.lr_lambda", given["lr_lambda"], f"{cls.__name__} expects a function, not its name; {hint}")
    for name, value in given.items():
        least = LEAST.get(f"{cls.__name__}.{name}", LEAST.get(name))
        if least is not None and any(item < least for item in _numbers(value)):
            problems.add(f"{key}.{name}", value, f"must be at least {least}")
    if not problems:
        trial(functools.partial(_run, cls, _groups(given)), cls.__name__, given, key, problems)
    return given


def _run(cls: type[LRScheduler], groups: int, **arguments: Any) -> None:
    """Builds it, and moves it on; the lr may not leave the numbers above 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parameters = [{"params": [torch.zeros(1)]} for _ in range(groups)]
        optimizer = SGD(parameters, lr=0.1, momentum=0.9)
        scheduler: Any = cls(optimizer, **arguments)
        last = arguments.get("total_steps", STEPS)
        for _ in range(min(STEPS, int(last))):
            scheduler.step(1.0) if isinstance(scheduler, ReduceLROnPlateau) else scheduler.step()
            for group in optimizer.param_groups:
                lr = float(group["lr"])
                if not math.isfinite(lr) or lr < 0:
                    raise ValueError(f"it leads to lr={lr:g}")


def _groups(arguments: Mapping[str, Any]) -> int:
    """As many groups as the longest list of values for them has."""
    per_group = ("lr_lambda", "max_lr", "base_lr", "min_lr", "max_momentum", "base_momentum")
    return max((len(v) for k, v in arguments.items() if k in per_group and isinstance(v, (list, tuple))), default=1)


def _numbers(value: Any) -> list[float]:
    items = value if isinstance(value, (list, tuple)) else [value]
    return [item for item in items if isinstance(item, (int, float)) and not isinstance(item, bool)]

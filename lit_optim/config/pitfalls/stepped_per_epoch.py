"""Finds schedulers of torch that get fewer calls than they count: one an epoch, without ``interval: step``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.optim.lr_scheduler import LRScheduler

from lit_optim.config.pitfalls.classes import as_number, as_numbers, class_and_arguments
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.read.spec import Spec
from lit_optim.duration import RunLength

# argument that is a number of calls -> what does not happen in fewer calls
LENGTHS = {
    "CosineAnnealingLR": ("T_max", "the lr never gets down to eta_min"),
    "CosineAnnealingWarmRestarts": ("T_0", "the first cycle never ends"),
    "LinearLR": ("total_iters", "the lr never gets to end_factor"),
    "ConstantLR": ("total_iters", "the lr never goes back to its full value"),
    "PolynomialLR": ("total_iters", "the lr never gets to 0"),
    "CyclicLR": ("step_size_up", "the lr never gets up to max_lr"),
    "StepLR": ("step_size", "the lr never drops"),
    "MultiStepLR": ("milestones", "the lr never drops for the last time"),
}
CHECK = "stepped_per_epoch"


def stepped_per_epoch(scheduler: Spec, run: RunLength) -> list[Finding]:
    """Find a scheduler of torch that counts more calls of ``step()`` than it will get.

    Args:
        scheduler: its spec.
        run: how long the run is.

    Example:
        >>> spec = Spec("torch.optim.lr_scheduler.CosineAnnealingLR", {"T_max": 5000}, "scheduler")
        >>> print(*stepped_per_epoch(spec, RunLength(max_epochs=10)))
        scheduler.T_max=5000: stepped once an epoch it gets 10 calls, so the lr never gets down to eta_min; \
set scheduler.interval=step to count optimizer steps, or scheduler.T_max=10
    """
    found = class_and_arguments(scheduler, LRScheduler)
    if found is None or not found[0].__module__.startswith("torch.optim."):
        return []
    cls, arguments = found
    calls, per_epoch = calls_of_step(arguments, run)
    name, consequence = LENGTHS.get(cls.__name__, ("", ""))
    length = max(as_numbers(arguments.get(name)), default=None)
    if not per_epoch or calls is None or length is None or length <= calls:
        return []
    key = f"{scheduler.key}.{name}={arguments[name]}"
    problem = f"stepped once an epoch it gets {calls} calls, so {consequence}"
    remedy = f"set {scheduler.key}.interval=step to count optimizer steps, or {scheduler.key}.{name}={calls}"
    meant = "interval" in scheduler.arguments
    return [Finding(CHECK, "warning" if meant else "error", key, problem, remedy)]


def calls_of_step(arguments: Mapping[str, Any], run: RunLength) -> tuple[int | None, bool]:
    """Return how often a run calls ``step()``, where that is known, and whether it does so once an epoch."""
    per_epoch = arguments.get("interval", "epoch") == "epoch"
    limit = run.epochs if per_epoch else run.total_steps
    return None if limit is None else limit // int(as_number(arguments.get("frequency")) or 1), per_epoch

"""Finds a OneCycleLR that plans another number of steps than it gets: torch raises an error past its end."""

from __future__ import annotations

from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from lit_optim.config.pitfalls.classes import as_number, class_and_arguments
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.pitfalls.stepped_per_epoch import CHECK as STEPPED_PER_EPOCH
from lit_optim.config.pitfalls.stepped_per_epoch import calls_of_step
from lit_optim.config.read.spec import Spec
from lit_optim.duration import RunLength

CHECK = "one_cycle_too_short"


def one_cycle_length(scheduler: Spec, run: RunLength) -> list[Finding]:
    """Find a OneCycleLR that is shorter or longer than the run, or whose steps are counted once an epoch.

    Args:
        scheduler: its spec.
        run: how long the run is.

    Example:
        >>> arguments = {"max_lr": 1.0, "total_steps": 90, "interval": "step"}
        >>> spec = Spec("torch.optim.lr_scheduler.OneCycleLR", arguments, "scheduler")
        >>> print(*one_cycle_length(spec, RunLength(total_steps=100)))
        scheduler.total_steps=90: the run has 100 optimizer steps, and OneCycleLR raises an error after 90; \
set scheduler.total_steps=100
    """
    found, key = class_and_arguments(scheduler, LRScheduler), scheduler.key
    if found is None or found[0] is not OneCycleLR:
        return []
    calls, per_epoch = calls_of_step(found[1], run)
    total, epochs, steps = (as_number(found[1].get(name)) for name in ("total_steps", "epochs", "steps_per_epoch"))
    by_epochs = total is None
    if total is None and epochs is not None and steps is not None:
        total = epochs * steps
    if total is None or calls == total or (calls is None and not per_epoch):
        return []
    where = f"{key}.steps_per_epoch" if by_epochs else f"{key}.total_steps={total:g}"
    if per_epoch:
        remedy = f"set {key}.interval=step" + (f", or {key}.total_steps={calls}" if calls else "")
    else:
        remedy = f"set {key}.total_steps={calls}" + (f" and remove {key}.epochs" if by_epochs else "")
    if not per_epoch and calls is not None and total < calls:
        problem = f"the run has {calls} optimizer steps, and OneCycleLR raises an error after {total:g}"
        return [Finding(CHECK, "error", where, problem, remedy, fatal=True)]
    certain = per_epoch and (calls is not None or by_epochs)
    if calls is None:
        problem = "OneCycleLR is stepped once an epoch, and the number of epochs is not known here"
    elif per_epoch:
        problem = f"OneCycleLR is stepped once an epoch, {calls} times in the run, and plans {total:g} steps"
    else:
        problem = f"the run ends after {calls} optimizer steps, so the cycle is never finished"
    return [Finding(STEPPED_PER_EPOCH, "error" if certain else "warning", where, problem, remedy)]

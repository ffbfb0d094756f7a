"""torch's schedulers count calls of ``step()``; Lightning makes one an epoch, unless ``interval: step`` is written."""

from __future__ import annotations

from typing import Any

from torch.optim.lr_scheduler import LRScheduler

from lit_optim.config.pitfalls.classes import called, number, numbers
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
    """Schedulers of torch that are longer than the calls they will get.

    Args:
        scheduler: its spec.
        run: how long the run is.

    Example:
        >>> spec = Spec("torch.optim.lr_scheduler.CosineAnnealingLR", {"T_max": 5000}, "scheduler")
        >>> print(*stepped_per_epoch(spec, RunLength(max_epochs=10)))
        scheduler.T_max=5000: stepped once an epoch it gets 10 calls, so the lr never gets down to eta_min; \
set scheduler.interval=step to count optimizer steps, or scheduler.T_max=10
    """
    found = called(scheduler, LRScheduler)
    if found is None or not found[0].__module__.startswith("torch.optim."):
        return []
    cls, arguments = found
    per_epoch = arguments.get("interval", "epoch") == "epoch"
    limit = run.epochs if per_epoch else run.total_steps
    calls = None if limit is None else limit // int(number(arguments.get("frequency")) or 1)
    if cls.__name__ == "OneCycleLR":
        return _one_cycle(scheduler.key, arguments, calls, per_epoch=per_epoch)
    name, consequence = LENGTHS.get(cls.__name__, ("", ""))
    length = max(numbers(arguments.get(name)), default=None)
    if not per_epoch or calls is None or length is None or length <= calls:
        return []
    key = f"{scheduler.key}.{name}={arguments[name]}"
    problem = f"stepped once an epoch it gets {calls} calls, so {consequence}"
    remedy = f"set {scheduler.key}.interval=step to count optimizer steps, or {scheduler.key}.{name}={calls}"
    meant = "interval" in scheduler.arguments
    return [Finding(CHECK, "warning" if meant else "error", key, problem, remedy)]


def _one_cycle(key: str, arguments: dict[str, Any], calls: int | None, *, per_epoch: bool) -> list[Finding]:
    total = number(arguments.get("total_steps"))
    by_epochs = total is None
    if total is None:
        epochs, steps = number(arguments.get("epochs")), number(arguments.get("steps_per_epoch"))
        if epochs is None or steps is None:
            return []
        total = epochs * steps
    if calls == total:
        return []
    where = f"{key}.total_steps={total:g}" if not by_epochs else f"{key}.steps_per_epoch"
    if per_epoch:
        remedy = f"set {key}.interval=step" + (f", or {key}.total_steps={calls}" if calls else "")
        if calls is None:
            problem = "OneCycleLR is stepped once an epoch, and the number of epochs is not known here"
            return [Finding(CHECK, "error" if by_epochs else "warning", where, problem, remedy)]
        problem = f"OneCycleLR is stepped once an epoch, {calls} times in the run, and plans {total:g} steps"
        return [Finding(CHECK, "error", where, problem, remedy)]
    if calls is None:
        return []
    remedy = f"set {key}.total_steps={calls}" + (f" and remove {key}.epochs" if by_epochs else "")
    if total < calls:
        problem = f"the run has {calls} optimizer steps, and OneCycleLR raises an error after {total:g}"
        return [Finding("one_cycle_too_short", "error", where, problem, remedy)]
    problem = f"the run ends after {calls} optimizer steps, so the cycle is never finished"
    return [Finding(CHECK, "warning", where, problem, remedy)]

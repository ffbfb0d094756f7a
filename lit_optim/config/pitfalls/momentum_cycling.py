"""Finds one-cycle and cyclic schedules of torch that cycle a momentum which the optimizer does not use."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR

from lit_optim.config.pitfalls.classes import as_number, class_and_arguments
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.read.spec import Spec

CYCLING = (OneCycleLR, CyclicLR)
CHECK = "momentum_cycling"


def momentum_cycling(scheduler: Spec, optimizer: Spec) -> list[Finding]:
    """Find ``cycle_momentum``, on by default, with an optimizer without momentum, or with a momentum of 0.

    Args:
        scheduler: its spec.
        optimizer: its spec.

    Example:
        >>> cycle = Spec("torch.optim.lr_scheduler.OneCycleLR", {"max_lr": 0.1, "total_steps": 9}, "scheduler")
        >>> print(*momentum_cycling(cycle, Spec("torch.optim.Adagrad", {})))
        scheduler.cycle_momentum=True: Adagrad has neither momentum nor betas, so OneCycleLR refuses it; \
set scheduler.cycle_momentum=false
    """
    schedule, built = class_and_arguments(scheduler, LRScheduler), class_and_arguments(optimizer, Optimizer)
    if schedule is None or built is None or not issubclass(schedule[0], CYCLING):
        return []
    (cycle, cycled), (cls, arguments) = schedule, built
    if cycled.get("cycle_momentum") is False or "betas" in arguments:
        return []
    remedy = f"set {scheduler.key}.cycle_momentum=false"
    if "momentum" not in arguments:
        problem = f"{cls.__name__} has neither momentum nor betas, so {cycle.__name__} refuses it"
    elif as_number(arguments["momentum"]) == 0:
        low, high = cycled["base_momentum"], cycled["max_momentum"]
        problem = f"{optimizer.key}.momentum is 0, and {cycle.__name__} turns it on, between {low} and {high}"
        remedy += ", or give the optimizer a momentum"
    else:
        return []
    return [Finding(CHECK, "error", f"{scheduler.key}.cycle_momentum=True", problem, remedy)]

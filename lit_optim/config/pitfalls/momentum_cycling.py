"""One-cycle and cyclic schedules of torch that move a momentum which the optimizer does not have."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR

from lit_optim.config.pitfalls.classes import called, number
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.read.spec import Spec

CYCLING = (OneCycleLR, CyclicLR)
CHECK = "momentum_cycling"


def momentum_cycling(scheduler: Spec, optimizer: Spec) -> list[Finding]:
    """``cycle_momentum``, which is on by default, with an optimizer that has no momentum, or has it at 0.

    Args:
        scheduler: its spec.
        optimizer: its spec.

    Example:
        >>> cycle = Spec("torch.optim.lr_scheduler.OneCycleLR", {"max_lr": 0.1, "total_steps": 9}, "scheduler")
        >>> print(*momentum_cycling(cycle, Spec("torch.optim.Adagrad", {})))
        scheduler.cycle_momentum=True: Adagrad has neither momentum nor betas, so OneCycleLR refuses it; \
set scheduler.cycle_momentum=false
    """
    schedule, built = called(scheduler, LRScheduler), called(optimizer, Optimizer)
    if schedule is None or built is None or not issubclass(schedule[0], CYCLING):
        return []
    if schedule[1].get("cycle_momentum") is False:
        return []
    (cycle, cycled), (cls, arguments) = schedule, built
    key, remedy = f"{scheduler.key}.cycle_momentum=True", f"set {scheduler.key}.cycle_momentum=false"
    if "betas" in arguments:
        return []
    if "momentum" not in arguments:
        problem = f"{cls.__name__} has neither momentum nor betas, so {cycle.__name__} refuses it"
        return [Finding(CHECK, "error", key, problem, remedy)]
    if number(arguments["momentum"]) == 0:
        low, high = cycled["base_momentum"], cycled["max_momentum"]
        problem = f"{optimizer.key}.momentum is 0, and {cycle.__name__} turns it on, between {low} and {high}"
        return [Finding(CHECK, "error", key, problem, f"{remedy}, or give the optimizer a momentum")]
    return []

"""Finds an absolute floor above the learning rate."""

from __future__ import annotations

from collections.abc import Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lit_optim.config.pitfalls.classes import as_mapping, as_number, as_numbers, class_and_arguments
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.read.spec import Spec
from lit_optim.param_groups import Relative, Rule
from lit_optim.scheduler.schedule_lr import ScheduleLR
from lit_optim.schedules.plan.phase_configs import SLOTS

CHECK = "floor_above_lr"


def floor_above_lr(scheduler: Spec, optimizer: Spec, rules: Sequence[Rule] = ()) -> list[Finding]:
    """Find floors (``min_lr``, torch's ``eta_min``) above the lr of the optimizer, or of a group that sets its lr.

    Args:
        scheduler: its spec.
        optimizer: its spec; without an lr, the default of its class counts.
        rules: of the param groups.

    Example:
        >>> cosine = Spec("lit_optim.ScheduleLR", {"main": {"shape": "cosine", "min_lr": 0.1}}, "scheduler")
        >>> print(*floor_above_lr(cosine, Spec("torch.optim.SGD", {"lr": 0.01})))
        scheduler.main.min_lr=0.1: above optimizer.lr=0.01; write a min_lr below 0.01
    """
    schedule, built = class_and_arguments(scheduler, LRScheduler), class_and_arguments(optimizer, Optimizer)
    if schedule is None or built is None or optimizer.lr_scaling is not None:  # the lr depends on the batch size
        return []
    own = schedule[0] is ScheduleLR
    lrs = {f"{optimizer.key}.lr": as_number(built[1].get("lr"))}
    base = lrs[f"{optimizer.key}.lr"]
    for rule in rules:
        lr = rule.options.get("lr")
        lrs[f"{rule.key}.lr"] = (base and base * lr.factor) if isinstance(lr, Relative) else as_number(lr)
    findings = []
    for floor_key, floor in _floors(scheduler, schedule[1], own=own).items():
        for lr_key, lr in lrs.items():
            if lr is None or floor <= lr:
                continue
            name = floor_key.rpartition(".")[2]
            problem, remedy = f"above {lr_key}={lr:g}", f"write a {name} below {lr:g}"
            below = own and lr_key != f"{optimizer.key}.lr"
            if below:
                problem += ", and it is a floor for the optimizer's lr: groups scale along, below it"
            key = f"{floor_key}={floor:g}"
            findings.append(Finding(CHECK, "warning" if below else "error", key, problem, remedy))
    return findings


def _floors(scheduler: Spec, arguments: dict[str, object], *, own: bool) -> dict[str, float]:
    if not own:
        given = {name: as_numbers(arguments.get(name)) for name in ("eta_min", "min_lr")}
        return {f"{scheduler.key}.{name}": max(values) for name, values in given.items() if values}
    found = {f"{scheduler.key}.{name}.min_lr": as_mapping(arguments.get(name)).get("min_lr") for name in SLOTS}
    found[f"{scheduler.key}.min_lr"] = scheduler.arguments.get("min_lr")  # timm's spelling of main.min_lr
    return {key: floor for key, value in found.items() if (floor := as_number(value)) is not None}

"""Tell for how many optimizer steps a schedule was made."""

from __future__ import annotations

from dataclasses import replace

from lit_optim.duration import LengthUnknown
from lit_optim.scheduler.driven_value import LR
from lit_optim.scheduler.schedule_lr import ScheduleLR
from lit_optim.schedules.plan.compose_plan import compose_plan


def planned_steps(scheduler: ScheduleLR) -> int | None:
    """Return the length of the run that a schedule was made for, or None where that makes no difference to it.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
        >>> slots = {"shape": "cosine"}, {"shape": "step", "step_size": 10, "gamma": 0.5}
        >>> [planned_steps(ScheduleLR(optimizer, main=main, total_steps=100)) for main in slots]
        [100, None]
    """
    run = scheduler.clock.run_length
    lr = float(scheduler.optimizer.defaults.get("lr") or 1.0)
    for plan in scheduler._config.plans() if run.total_steps is not None else ():
        try:
            endless = replace(run, total_steps=None)
            compose_plan(plan.config, endless, base_lr=lr if plan.key == LR else 1, mode=scheduler._mode)
        except LengthUnknown:
            return int(run.total_steps)
    return None

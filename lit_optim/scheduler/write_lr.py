"""Write the lr of a step in few operations, for a scheduler that drives nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from torch.optim import Optimizer

from lit_optim.duration import MOST
from lit_optim.scheduler.driven_value import DrivenValue

Write: TypeAlias = Callable[[DrivenValue, dict[str, Any], float, float], None]
Step: TypeAlias = Callable[[int], None]


def lr_writer(lr: DrivenValue, optimizer: Optimizer, write: Write, past_end: Step) -> Step:
    """Return a function that writes the lr of one optimizer step into all groups.

    Args:
        lr: drives all groups, with a new factor at every step.
        optimizer: whose groups are written; its list of groups is read at every step.
        write: writes a group that has another value than expected, that is new or that is not scheduled; takes ``lr``,
            the group, the factor that was written last and the new one.
        past_end: writes all groups at a step behind the end of the schedule.
    """
    schedule, end = lr.plan.schedule, MOST if lr.plan.stop is None else lr.plan.stop

    def write_lr(step: int) -> None:
        if step > end:
            past_end(step)
            return
        factor = schedule(step) * lr.scale
        before, lr.now = lr.now, factor
        for group in optimizer.param_groups:
            try:
                initial = group["initial_lr"]
            except KeyError:  # a group that was added since the last step
                write(lr, group, before, factor)
                continue
            if group["lr"] != initial * before or "scheduled" in group:
                write(lr, group, before, factor)
            else:
                group["lr"] = initial * factor

    return write_lr

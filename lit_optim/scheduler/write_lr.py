"""The step of the usual schedulers in few operations: the lr alone, or the lr and one other value of the groups.

A group that somebody else has written, or that is new or not scheduled, goes to `Write`, as all groups of all other
schedulers do. Both ways give the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from torch.optim import Optimizer

from lit_optim.duration import MOST
from lit_optim.scheduler.driven_value import DrivenValue

Write: TypeAlias = Callable[[DrivenValue, dict[str, Any], float, float], None]
Move: TypeAlias = Callable[[int], None]


def lr_writer(lanes: Sequence[DrivenValue], optimizer: Optimizer, write: Write, past_end: Move) -> Move | None:
    """``step -> None``, which moves all groups; None where lanes need more than that.

    Args:
        lanes: of the scheduler, that of the lr first.
        optimizer: whose groups they drive; its list of groups is read at every step.
        write: takes a lane, a group, the factor that was written last and the new one.
        past_end: moves all groups to a step at which a lane has come to its end.
    """
    if any(lane.careful or lane.hold > 1 for lane in lanes):
        return None
    end = min(MOST if lane.plan.stop is None else lane.plan.stop for lane in lanes)
    if len(lanes) == 1:
        return _lr(lanes[0], optimizer, write, past_end, end)
    if len(lanes) > 2 or lanes[1].index not in (None, 0) or any(lane.states for lane in lanes):
        return None
    lr, other = lanes
    return (_lr_and_number if other.index is None else _lr_and_first)(lr, other, optimizer, write, past_end, end)


def _lr(lr: DrivenValue, optimizer: Optimizer, write: Write, past_end: Move, end: int) -> Move:
    schedule = lr.plan.schedule

    def move(step: int) -> None:
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

    return move


def _lr_and_number(
    lr: DrivenValue, other: DrivenValue, optimizer: Optimizer, write: Write, past_end: Move, end: int
) -> Move:
    schedule, others = lr.plan.schedule, other.plan.schedule
    offset, span, name, initial_name = other.offset, other.span, other.name, other.initial

    def move(step: int) -> None:
        if step > end:
            past_end(step)
            return
        factor, its = schedule(step), offset + span * others(step)
        before, its_before = lr.now, other.now
        lr.now, other.now = factor, its
        for group in optimizer.param_groups:
            try:
                initial, its_initial = group["initial_lr"], group[initial_name]
                known = group["lr"] == initial * before and group[name] == its_initial * its_before
                if known and "scheduled" not in group:
                    group["lr"] = initial * factor
                    group[name] = its_initial * its
                    continue
            except KeyError:  # new
                pass
            write(lr, group, before, factor)
            write(other, group, its_before, its)

    return move


def _lr_and_first(
    lr: DrivenValue, other: DrivenValue, optimizer: Optimizer, write: Write, past_end: Move, end: int
) -> Move:
    """As `_lr_and_number`, for the first of two items: ``betas``."""
    schedule, others = lr.plan.schedule, other.plan.schedule
    offset, span, name, initial_name = other.offset, other.span, other.name, other.initial

    def move(step: int) -> None:
        if step > end:
            past_end(step)
            return
        factor, its = schedule(step), offset + span * others(step)
        before, its_before = lr.now, other.now
        lr.now, other.now = factor, its
        for group in optimizer.param_groups:
            try:
                initial, its_initial = group["initial_lr"], group[initial_name]
                first, second = group[name]
                known = group["lr"] == initial * before and first == its_initial * its_before
                if known and "scheduled" not in group:
                    group["lr"] = initial * factor
                    group[name] = (its_initial * its, second)
                    continue
            except (KeyError, ValueError):  # new, or of another number of items
                pass
            write(lr, group, before, factor)
            write(other, group, its_before, its)

    return move

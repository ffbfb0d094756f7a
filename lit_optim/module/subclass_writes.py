"""Lets a subclass that calls ``super().configure_optimizers()`` change groups before the schedule writes into them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lit_optim.lightning_api import rank_zero_warn
from lit_optim.scheduler.driven_value import is_tensor
from lit_optim.scheduler.schedule_lr import ScheduleLR

HOOK = "configure_optimizers"


@dataclass
class WithheldSchedule:
    """A new scheduler whose first values are kept out of the groups until a subclass has returned.

    A subclass reads and writes the values that the schedule scales: the lr of a group, not its warmup's first lr.

    Args:
        optimizer: whose groups are scheduled.
        build: builds the scheduler.
        check: compares the groups with those of a resumed checkpoint.
    """

    optimizer: Optimizer
    build: Callable[[], LRScheduler]
    check: Callable[[], None]

    def __post_init__(self) -> None:
        """Build the scheduler, and take back what it has written."""
        self.before = [_values(group) for group in self.optimizer.param_groups]
        self.scheduler = self.build()
        self.first = [_values(group) for group in self.optimizer.param_groups]
        self._put(self.before)

    def release(self, result: Any) -> None:
        """Write the schedule's first values, starting from those that the subclass has left in the groups.

        Args:
            result: of the subclass; without the scheduler in it, the groups stay as they are.

        Raises:
            ConfigError: where the checkpoint does not fit the groups.
        """
        if _holds(result, self.optimizer):
            self.check()
        if not _holds(result, self.scheduler):
            return
        if isinstance(self.scheduler, ScheduleLR):
            self.scheduler.rewrite()
            return
        now = [_values(group) for group in self.optimizer.param_groups]
        if len(now) == len(self.before) and all(map(_are_equal, now, self.before)):
            self._put(self.first)
            return
        vars(self.scheduler).update(vars(self.build()))  # the object that the subclass has returned
        for values, group in zip(now, self.optimizer.param_groups, strict=True):
            if group.get("initial_lr") not in (values.get("initial_lr"), values["lr"]):
                text = f"{type(self.scheduler).__name__} sets the lr by itself: lr={values['lr']:g}, written in {HOOK}"
                rank_zero_warn(f"{text}, has no effect; write the scheduler's own arguments")

    def _put(self, values: list[dict[str, Any]]) -> None:
        for group, before in zip(self.optimizer.param_groups, values, strict=True):
            for name in group.keys() - before.keys() - {"params"}:
                del group[name]
            group.update(before)


def releases_schedules(own: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a subclass's ``configure_optimizers``: schedules write their first values when the outermost one returns."""

    @functools.wraps(own)
    def configure_optimizers(self: Any, *args: Any, **kwargs: Any) -> Any:
        state = self._run_state
        if state.withheld is not None:
            return own(self, *args, **kwargs)
        state.withheld = []
        try:
            result = own(self, *args, **kwargs)
            for each in state.withheld:
                each.release(result)
        finally:
            state.withheld = None
        return result

    configure_optimizers.releases = True  # type: ignore[attr-defined]
    return configure_optimizers


def wrap_overridden_hook(cls: type, mixin: type) -> None:
    """Wrap the ``configure_optimizers`` of a class where it is another one than the mixin's."""
    own = next(vars(base)[HOOK] for base in cls.__mro__ if HOOK in vars(base))
    if own is not vars(mixin)[HOOK] and callable(own) and not hasattr(own, "releases"):
        setattr(cls, HOOK, releases_schedules(own))


def _values(group: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.clone() if is_tensor(v) else v for k, v in group.items() if k != "params"}


def _are_equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(one[k] is other[k] or one[k] == other[k] for k in one)


def _holds(result: Any, one: object) -> bool:
    """Return whether an optimizer or a scheduler is among what ``configure_optimizers`` returns."""
    parts = result.values() if isinstance(result, Mapping) else result if isinstance(result, (list, tuple)) else ()
    return result is one or any(_holds(part, one) for part in parts)

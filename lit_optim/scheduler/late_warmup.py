"""Linear warmups of single groups that begin within a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lit_optim.scheduler.schedule_lr import ScheduleLR


class LateWarmup(NamedTuple):
    """A linear warmup that begins within a run: one more factor on the lr of the groups of one name.

    Args:
        group: name of the groups.
        begin: optimizer step of its first factor above 0.
        steps: its length in optimizer steps; at step t the factor is ``(t - begin + 1) / steps`` within [0, 1].
    """

    group: str
    begin: int
    steps: int

    def factor(self, step: int) -> float:
        """Return the factor of an optimizer step.

        Example:
            >>> [LateWarmup("body", 2, 4).factor(step) for step in range(1, 7)]
            [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
        """
        return min(max((step - self.begin + 1) / self.steps, 0.0), 1.0)


def warm_up_late(scheduler: ScheduleLR, late: Sequence[LateWarmup]) -> None:
    """Multiply the schedules of single groups by warmups that begin within the run.

    Example:
        >>> import torch
        >>> from lit_optim import ScheduleLR
        >>> body = {"params": [torch.zeros(1)], "name": "body"}
        >>> scheduler = ScheduleLR(torch.optim.SGD([body], lr=0.1))
        >>> warm_up_late(scheduler, [LateWarmup("body", begin=0, steps=4)])
        >>> scheduler.get_last_lr()
        [0.025]
    """
    scheduler._config.late = late
    scheduler._replan(scheduler.clock)
    scheduler.rewrite()

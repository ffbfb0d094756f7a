"""Read from a Trainer what a picture of its run says besides the curves."""

from __future__ import annotations

from typing import Any, NamedTuple

from lit_optim.lightning_api import Trainer
from lit_optim.optimizers.composite import Composite
from lit_optim.optimizers.switched.optimizer import Switched
from lit_optim.scheduler.run_length import steps_per_epoch
from lit_optim.scheduler.schedule_lr import ScheduleLR
from lit_optim.schedules.plan.plan import Phase, plan_name


class RunFacts(NamedTuple):
    """What a picture of a run says besides the curves.

    Args:
        optimizer: class of each.
        schedule: name of its phases; of another scheduler its class.
        phases: of our schedule.
        epoch: optimizer steps of an epoch; None where it is not known.
    """

    optimizer: str
    schedule: str
    phases: tuple[Phase, ...] = ()
    epoch: int | None = None

    @property
    def title(self) -> str:
        """Name optimizer and schedule.

        Example:
            >>> RunFacts("AdamW", "warmup + cosine").title
            'AdamW, warmup + cosine'
        """
        return f"{self.optimizer}, {self.schedule}"


def classes_of(optimizer: Any) -> str:
    """Name the class of an optimizer; of one that is made of several, theirs.

    Example:
        >>> import torch
        >>> from lit_optim.optimizers import SGDW
        >>> classes_of(SGDW([torch.zeros(1)], lr=0.1))
        'SGDW'
    """
    if isinstance(optimizer, Switched):
        return ", then ".join(type(each).__name__ for each in optimizer.inner)
    if isinstance(optimizer, Composite):
        return " + ".join(dict.fromkeys(type(each).__name__ for each in optimizer.parts.values()))
    return type(optimizer).__name__


def run_facts(trainer: Trainer) -> RunFacts:
    """Read the facts of a run that has taken a step."""
    optimizers = " / ".join(dict.fromkeys(map(classes_of, trainer.optimizers)))
    schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
    ours = [each for each in schedulers if isinstance(each, ScheduleLR)]
    named = [plan_name(s.driven_values[0].plan) if isinstance(s, ScheduleLR) else type(s).__name__ for s in schedulers]
    schedule = " / ".join(dict.fromkeys(named)) or "no schedule"
    by_hand = not trainer.lightning_module.automatic_optimization
    epoch = None if by_hand else steps_per_epoch(trainer)  # by hand, any number of batches makes a step
    return RunFacts(optimizers, schedule, ours[0].phases if ours else (), epoch)

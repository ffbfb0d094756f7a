from __future__ import annotations

from typing import Any

from torch.optim import Optimizer

from lit_optim.averaging import schedule_free
from lit_optim.averaging.schedule_free import is_schedule_free
from lit_optim.callbacks.evaluation_weights import EvaluationWeights
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import LightningModule, Trainer
from lit_optim.scheduler.driven_value import LR
from lit_optim.scheduler.schedule_lr import ScheduleLR


class ScheduleFree(EvaluationWeights):
    """Calls ``train()`` and ``eval()`` of optimizers that have both, as schedule-free ones do.

    The mixin adds it by itself; without such an optimizer it leaves the Trainer when training starts. Training goes on
    bit for bit as if there had been no evaluation. By being there it also brings back the live weights of checkpoints
    whose callback (`Lookahead`, `ExponentialMovingAverage`) is not among the callbacks any more.

    Raises:
        ConfigError: at the start of a fit, for a schedule on a schedule-free optimizer.
    """

    @property
    def idle(self) -> bool:
        """Return whether no optimizer of this fit is schedule-free."""
        return not self._shadows

    def make_shadow(self) -> schedule_free.ScheduleFree:
        """Make the object that calls ``train()`` and ``eval()`` of one optimizer."""
        return schedule_free.ScheduleFree()

    def applies_to(self, optimizer: Optimizer) -> bool:
        """Return whether an optimizer is schedule-free."""
        return is_schedule_free(optimizer)

    def label(self, trainer: Trainer) -> str:
        """Return the optimizer's name: users do not configure this callback."""
        return next(type(optimizer).__name__ for optimizer in trainer.optimizers if self.applies_to(optimizer))

    def check_fit(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reject schedules too: the average that such an optimizer evaluates takes their place."""
        super().check_fit(trainer, pl_module)
        for config in trainer.lr_scheduler_configs:
            optimizer = config.scheduler.optimizer
            if self.applies_to(optimizer) and _moves(config.scheduler):
                raise ConfigError(
                    f"scheduler: {type(optimizer).__name__} is schedule-free, its average takes the place of a "
                    "schedule; write scheduler=none (a warmup is the optimizer's own, optimizer.warmup_steps)"
                )


def _moves(scheduler: Any) -> bool:
    """Return whether a schedule changes the lr of any group."""
    if not isinstance(scheduler, ScheduleLR):
        return True
    lrs = [value for value in scheduler.driven_values if value.key == LR]
    return scheduler.follows_metric or any(lr.factor(1 << i) != lr.factor(0) for lr in lrs for i in range(30))

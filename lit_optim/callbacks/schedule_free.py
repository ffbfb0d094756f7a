from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch.optim import Optimizer

from lit_optim.callbacks.evaluation_weights import EvaluationWeights
from lit_optim.errors import ConfigError
from lit_optim.lane import LR
from lit_optim.optimizers import schedule_free
from lit_optim.optimizers.schedule_free import is_schedule_free
from lit_optim.optimizers.second_weights import LIVE
from lit_optim.schedule_lr import ScheduleLR


class ScheduleFree(EvaluationWeights):
    """Tells schedule-free optimizers, found by their ``train()`` and ``eval()``, when they train and when not.

    The mixin adds it by itself; without such an optimizer it does nothing. Training goes on bit for bit as if there
    had been no evaluation. It also takes the live weights out of checkpoints whose owner (`Lookahead`,
    `ExponentialMovingAverage`) is not there any more.

    Raises:
        ConfigError: at the start of a fit, for a schedule on a schedule-free optimizer.
    """

    def follower(self) -> schedule_free.ScheduleFree:
        """What calls ``train()`` and ``eval()`` of one optimizer."""
        return schedule_free.ScheduleFree()

    def follows(self, optimizer: Optimizer) -> bool:
        """Those that can be told."""
        return is_schedule_free(optimizer)

    def refuse(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuses schedules too: the average that such an optimizer evaluates takes their place."""
        super().refuse(trainer, pl_module)
        for config in trainer.lr_scheduler_configs:
            optimizer = config.scheduler.optimizer
            if self.follows(optimizer) and _moves(config.scheduler):
                raise ConfigError(
                    f"scheduler: {type(optimizer).__name__} is schedule-free, its average takes the place of a "
                    "schedule; write scheduler=none (a warmup is the optimizer's own, optimizer.warmup_steps)"
                )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins with the live weights, those of a checkpoint without its owner as well."""
        super().on_train_start(trainer, pl_module)
        if any(isinstance(c, EvaluationWeights) and c is not self and c.owns(trainer) for c in _callbacks(trainer)):
            return
        for optimizer in trainer.optimizers:
            left = [(p, state) for p, state in optimizer.state.items() if LIVE in state]
            for p, state in left:
                p.data.copy_(state.pop(LIVE))
            if left:
                rank_zero_warn(
                    "this checkpoint was written by Lookahead or an average of the weights, which is not among the "
                    "callbacks now: the run goes on from the weights that were trained, without it"
                )


def _moves(scheduler: Any) -> bool:
    """Whether the lr of any group changes: other keys may be driven, and a factor of 1 is no schedule."""
    if not isinstance(scheduler, ScheduleLR):
        return True
    lanes = [lane for lane in scheduler.lanes if lane.key == LR]
    return scheduler.follows_metric or any(lane.factor(1 << i) != lane.factor(0) for lane in lanes for i in range(30))


def _callbacks(trainer: Trainer) -> list[Any]:
    return trainer.callbacks  # type: ignore[attr-defined, no-any-return]  # set by a connector

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Optimizer

from lit_optim.callbacks.leave import leave


class RepeatLr(Callback):
    """Writes an lr that was assigned within a fit once more before the next step, then leaves the Trainer.

    A LearningRateFinder assigns the module's lr, by which the groups are scaled, and then writes that one value into
    all of them.

    Args:
        lrs: optimizers with the lrs of their groups.
        step: optimizer steps taken when the lr was assigned.
    """

    def __init__(self, lrs: Sequence[tuple[Optimizer, list[Any]]], step: int) -> None:
        self.lrs, self.step = lrs, step

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Writes the groups' lrs, unless a schedule has gone on from them already."""
        leave(trainer, self)
        pl_module.__dict__.pop("_assigned_lrs", None)
        if trainer.global_step == self.step:
            for optimizer, lrs in self.lrs:
                for group, lr in zip(optimizer.param_groups, lrs, strict=True):
                    group["lr"] = lr

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer

from lit_optim.lightning_api import Callback, LightningModule, Trainer, is_of_lr_search, remove_callbacks


class RepeatLr(Callback):
    """Writes an lr that was assigned within a fit again before the next step, then removes itself.

    A LearningRateFinder assigns the module's lr, by which the groups are scaled, and then writes that one value into
    all of them.

    Args:
        lrs: optimizers with the lrs of their groups.
        step: optimizer steps taken when the lr was assigned.
        before: the lrs that were the optimizers' own until then.
    """

    def __init__(self, lrs: Sequence[tuple[Optimizer, list[Any]]], step: int, before: Sequence[float]) -> None:
        self.lrs, self.step, self.before = lrs, step, before
        self._undone = False

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Detect the finder of an older Lightning, which restores optimizers after it has assigned the lr."""
        self._undone = is_of_lr_search(trainer.ckpt_path)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Assign the lr again where that finder has undone it."""
        if self._undone:
            remove_callbacks(trainer, self)
            for (optimizer, _), before in zip(self.lrs, self.before, strict=True):
                optimizer.defaults["lr"] = before
            module: Any = pl_module
            module.lr = module.lr

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Write the groups' lrs, unless a schedule has stepped since."""
        remove_callbacks(trainer, self)
        if trainer.global_step == self.step:
            for optimizer, lrs in self.lrs:
                for group, lr in zip(optimizer.param_groups, lrs, strict=True):
                    group["lr"] = lr

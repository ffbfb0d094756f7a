from __future__ import annotations

import sys
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar


class Progress(TQDMProgressBar):
    """The progress bar with the learning rate in it; in a file or a pipe, one line an epoch in its place."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=1 if sys.stdout.isatty() else 0)  # 0 = no bar

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What the bar shows; asked for only when it is drawn."""
        items = dict(super().get_metrics(trainer, pl_module))
        items.pop("v_num", None)
        return {**items, "lr": f"{_lr(trainer):.1e}"} if trainer.optimizers else items

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The line of an epoch."""
        super().on_train_epoch_end(trainer, pl_module)
        if self.is_disabled and trainer.is_global_zero:
            values = [f"{name} {float(value):.4f}" for name, value in sorted(trainer.progress_bar_metrics.items())]
            epoch = f"epoch {trainer.current_epoch + 1:>3}"
            if trainer.max_epochs not in (None, -1):
                epoch += f"/{trainer.max_epochs}"
            print("  ".join([epoch, f"lr {_lr(trainer):.2e}", *values]), flush=True)


def _lr(trainer: Trainer) -> float:
    return float(trainer.optimizers[0].param_groups[0]["lr"])

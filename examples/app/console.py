"""What a run prints."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar

DRIVEN = ("lr", "momentum", "weight_decay", "betas")  # logged by LearningRateMonitor and the schedule report


def silence() -> None:
    """Turns off what Lightning says at every run of this example, and the source lines of warnings."""
    warnings.formatwarning = lambda message, *_, **__: f"{message}\n"
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # says that a process of the run was killed, before it kills the others
    logging.getLogger("lightning.fabric.strategies.launchers.subprocess_script").setLevel(logging.INFO)
    for text in (
        r".*isinstance\(treespec, LeafSpec\)",  # torch and Lightning among themselves
        r".*does not have many workers",  # the data are in memory
        r".*is smaller than the logging interval",  # the table at the end holds every epoch's means
        r".*Checkpoint directory .* exists and is not empty",
        r"The dirpath has changed",  # a resumed run writes into another folder
    ):
        warnings.filterwarnings("ignore", message=text)


def table(metrics: Mapping[str, Any]) -> str:
    """Returns names and values in columns, without what a schedule drives.

    Example:
        >>> print(table({"val/acc": 0.98765, "lr": 1e-3, "train/loss": 0.5}))
        train/loss      0.5000
        val/acc         0.9877
    """
    found = [(name, f"{float(metrics[name]):.4f}") for name in sorted(metrics) if not name.startswith(DRIVEN)]
    width = max((len(name) for name, _ in found), default=0)
    return "\n".join(f"{name:<{width}}  {value:>10}" for name, value in found)


class Progress(TQDMProgressBar):
    """The progress bar; in a file or a pipe, one line an epoch in its place."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=1 if sys.stdout.isatty() else 0)  # 0 = no bar

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prints the line of an epoch."""
        super().on_train_epoch_end(trainer, pl_module)
        if self.is_disabled and trainer.is_global_zero:
            lr = float(trainer.optimizers[0].param_groups[0]["lr"])
            values = [f"{name} {float(value):.4f}" for name, value in sorted(trainer.progress_bar_metrics.items())]
            of = "" if trainer.max_epochs in (None, -1) else f"/{trainer.max_epochs}"
            print(f"epoch {trainer.current_epoch + 1:>3}{of}  lr {lr:.2e}", *values, sep="  ", flush=True)

"""Callbacks for the example app, each of which breaks something when the second epoch begins."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback


class InSecondEpoch(Callback):
    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == 1:
            self.act(trainer)

    def act(self, trainer: Any) -> None:
        raise NotImplementedError


class DeleteLog(InSecondEpoch):
    def act(self, trainer: Any) -> None:
        shutil.rmtree(trainer.loggers[0].log_dir)


class FillDisk(InSecondEpoch):
    """The log lies on a device that is full."""

    def act(self, trainer: Any) -> None:
        log = Path(trainer.loggers[0].log_dir) / "metrics.csv"
        log.unlink()
        log.symlink_to("/dev/full")


class SendSignal(InSecondEpoch):
    """Sends a signal to the process of the last rank."""

    def __init__(self, name: str) -> None:
        self.number = getattr(signal, name)

    def act(self, trainer: Any) -> None:
        if trainer.global_rank == trainer.world_size - 1:
            os.kill(os.getpid(), self.number)

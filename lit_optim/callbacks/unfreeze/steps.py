"""Count the optimizer steps by which stages begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lit_optim.lightning_api import Trainer
from lit_optim.scheduler.schedule_lr import ScheduleLR


def step_of_schedule(trainer: Trainer) -> int:
    """Count the optimizer steps as the schedule does, which leaves out those that a gradient scaler has skipped."""
    schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
    own = [scheduler.last_epoch for scheduler in schedulers if isinstance(scheduler, ScheduleLR)]
    return own[0] if own else trainer.global_step


def saved_step(path: Any) -> int:
    """Return the optimizer steps that a checkpoint counts; one of a sharded module is a folder."""
    file = Path(str(path))
    file = file / "meta.pt" if file.is_dir() else file
    return int(torch.load(file, map_location="cpu", weights_only=True, mmap=True)["global_step"])

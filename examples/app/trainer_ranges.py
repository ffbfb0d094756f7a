from __future__ import annotations

import math

import lightning as L

from app.build import Part
from lit_optim.errors import Problems

LEAST = {  # what Lightning takes in silence, or divides by in the middle of a run
    "gradient_clip_val": 0,
    "log_every_n_steps": 1,
    "check_val_every_n_epoch": 1,
    "accumulate_grad_batches": 1,
    "min_epochs": 0,
    "min_steps": 0,
    "num_sanity_val_steps": -1,
}


def check_ranges(part: Part[L.Trainer] | None, problems: Problems) -> None:
    """The numbers that Trainer itself does not look at."""
    for name, value in part.arguments.items() if part else ():
        least = LEAST.get(name)
        if least is not None and value is not None and not (math.isfinite(value) and value >= least):
            problems.add(f"trainer.{name}", value, f"must be at least {least}")

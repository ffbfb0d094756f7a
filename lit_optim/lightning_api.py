"""Imports Lightning for all other modules, and makes up for what a version of it lacks."""

from __future__ import annotations

import os
from typing import Any

from lightning.fabric.utilities.data import AttributeDict
from lightning.pytorch import Callback, LightningModule, Trainer, callbacks
from lightning.pytorch.strategies import DeepSpeedStrategy, FSDPStrategy
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from lit_optim.versions import older

__all__ = [  # what is Lightning's
    "AttributeDict",
    "Callback",
    "DeepSpeedStrategy",
    "FSDPStrategy",
    "LightningModule",
    "Trainer",
    "callbacks",
    "rank_zero_info",
    "rank_zero_warn",
]


def is_weight_averaging(callback: Callback) -> bool:
    """Return whether a callback is one of Lightning's ``WeightAveraging``, which came with Lightning 2.6."""
    cls = getattr(callbacks, "WeightAveraging", None)
    return cls is not None and isinstance(callback, cls)


def has_gradient_scaler(trainer: Trainer | None) -> bool:
    """Return whether a scaler may skip optimizer steps, as under 16-bit precision on a GPU."""
    return getattr(getattr(trainer, "precision_plugin", None), "scaler", None) is not None


def count_saved_batch(trainer: Trainer) -> None:
    """Count the batch at whose end a checkpoint was written, as Lightning 2.5 and newer do; for ``on_train_start``.

    Lightning 2.4 resumes with a ``batch_idx`` that is one too low: accumulation is shifted by a batch, and the epoch
    ends without its validation.
    """
    loop = trainer.fit_loop.epoch_loop
    current: Any = loop.batch_progress.current
    within_epoch = (
        current.ready == current.started == current.processed == current.completed + 1 < trainer.num_training_batches
    )
    if older("lightning", "2.5") and loop.restarting and within_epoch:
        loop.batch_progress.increment_completed()


def epoch_after_last_batch(trainer: Trainer) -> int:
    """Return the epoch in which a run continues after a resume at an epoch's last batch; 2.4 does not count it."""
    return trainer.current_epoch + older("lightning", "2.5")


def validates_again_on_resume() -> bool:
    """Return whether Lightning repeats the validation at whose end a checkpoint was written."""
    return older("lightning", "2.5")


def is_of_lr_search(path: Any) -> bool:
    """Return whether a checkpoint is the one with which Lightning's lr finder restores a run.

    Lightning before 2.6 assigns the lr that it has found, and loads this checkpoint afterwards.
    """
    return os.path.basename(str(path)).startswith(".lr_find_")


def is_of_search(path: Any) -> bool:
    """Return whether a checkpoint is one with which a finder of Lightning's restores a run, of lrs or batch sizes."""
    return is_of_lr_search(path) or os.path.basename(str(path)).startswith(".scale_batch_size_")


def remove_callbacks(trainer: Trainer, *callbacks: Callback) -> None:
    """Remove callbacks from a Trainer, from its next hook on.

    For callbacks that have nothing left to do in this fit: Lightning calls six hooks of each callback on every step,
    and takes a dozen function calls for each of them, whether it is empty or not.

    Args:
        trainer: whose list of callbacks is replaced, as a hook may be iterating over the present one.
        callbacks: those that leave; one that is not among the Trainer's is ignored.
    """
    present: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
    trainer.callbacks = [callback for callback in present if callback not in callbacks]  # type: ignore[attr-defined]

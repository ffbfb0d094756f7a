"""Finds when and where a checkpoint is written from which a run goes on to the bit."""

from __future__ import annotations

import os
from typing import Any

import fsspec

from lit_optim.lightning_api import Trainer, is_instance


def is_resumable(trainer: Trainer) -> bool:
    """Return whether a checkpoint that is written in ``on_train_batch_end`` misses nothing.

    It would miss gradients that wait for the next optimizer step; a validation that is due, which Lightning does not
    repeat on resume; and the end of an epoch or of the run.
    """
    loop = trainer.fit_loop.epoch_loop
    data: Any = trainer.fit_loop._data_fetcher
    return not (loop._should_accumulate() or loop._is_training_done or loop._should_check_val_fx(data))


def path_of_last(trainer: Trainer) -> str:
    """Return the path of a run's ``last.ckpt``, the same on all ranks.

    It lies in the folder of the first ModelCheckpoint, or without one in ``default_root_dir``. A file of that name that
    another run has written is left alone: the name becomes ``last-v1.ckpt``, as ModelCheckpoint does it.
    """
    checkpoints = [c for c in trainer.checkpoint_callbacks if is_instance(c, "callbacks.ModelCheckpoint")]
    folder = str(next((c.dirpath for c in checkpoints if c.dirpath), trainer.default_root_dir))  # type: ignore[attr-defined]
    own = {path for c in checkpoints for path in (c.last_model_path, c.best_model_path)}  # type: ignore[attr-defined]
    return str(trainer.strategy.broadcast(free_path(folder, {*own, str(trainer.ckpt_path)})))


def free_path(folder: str, own: set[str]) -> str:
    """Return the first of ``last.ckpt``, ``last-v1.ckpt`` ... that does not exist, or that is one of the run's own.

    Args:
        folder: a local one, or one that fsspec can reach.
        own: paths that the run may replace.

    Example:
        >>> free_path("/no/such/folder", set())
        '/no/such/folder/last.ckpt'
    """
    files, _ = fsspec.core.url_to_fs(folder)
    path, version = os.path.join(folder, "last.ckpt"), 0
    while files.exists(path) and path not in own:
        version += 1
        path = os.path.join(folder, f"last-v{version}.ckpt")
    return path

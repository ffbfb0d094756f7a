"""Read how far a run has come, from its Trainer or from the checkpoint that it goes on from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from lit_optim.lightning_api import Trainer, before_2_5


class RunProgress(NamedTuple):
    """How far a run has come.

    Attributes:
        steps: optimizer steps, as the Trainer counts them: of all optimizers together.
        epochs: that are done.
        batches: of the next epoch that are done.
        at_batch_end: whether the last of them is not counted as completed, as at its end.
    """

    steps: int = 0
    epochs: int = 0
    batches: int = 0
    at_batch_end: bool = True

    def in_epochs_of(self, batches: float) -> RunProgress:
        """Return the progress in epochs of another length: Lightning begins one anew that has no batch left.

        Example:
            >>> RunProgress(6, 1, batches=2).in_epochs_of(4)[:3], RunProgress(6, 1, batches=2).in_epochs_of(2)[:3]
            ((6, 1, 2), (6, 1, 0))
        """
        if self.batches < batches:
            return self
        return self._replace(batches=0, epochs=self.epochs + (not self.at_batch_end))


def run_progress(trainer: Trainer) -> RunProgress:
    """Read the progress of a Trainer, or of the checkpoint that it is about to restore."""
    checkpoint = checkpoint_to_restore(trainer)
    if checkpoint:
        return progress_in(checkpoint)
    loop = trainer.fit_loop
    epochs: Any = loop.epoch_progress.current
    batches: Any = loop.epoch_loop.batch_progress
    if before_2_5(trainer) and loop.epoch_loop.restarting:  # which begins with the epoch counted as not begun
        return RunProgress(trainer.global_step, epochs.completed, batches.current.processed, at_batch_end=False)
    within = loop.epoch_loop.restarting and epochs.started > epochs.processed
    done = batches.current.processed if within else 0
    return RunProgress(trainer.global_step, epochs.processed, done, batches.current.completed < done)


def progress_in(checkpoint: Mapping[str, Any]) -> RunProgress:
    """Read the progress of the run that a checkpoint was written in.

    Example:
        >>> progress_in({"global_step": 7, "epoch": 1})
        RunProgress(steps=7, epochs=1, batches=0, at_batch_end=True)
    """
    loops = checkpoint.get("loops")
    loop = loops.get("fit_loop") if isinstance(loops, Mapping) else None
    steps = _count(checkpoint.get("global_step"))
    try:
        epochs, batches = loop["epoch_progress"]["current"], loop["epoch_loop.batch_progress"]  # type: ignore[index]
        within = _count(epochs["started"]) > _count(epochs["processed"])
        done = _count(batches["current"]["processed"]) if within else 0
        if done and batches["is_last_batch"]:
            return RunProgress(steps, _count(epochs["processed"]) + 1)
        return RunProgress(steps, _count(epochs["processed"]), done, _count(batches["current"]["completed"]) < done)
    except (KeyError, TypeError):
        return RunProgress(steps, _count(checkpoint.get("epoch")))


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def checkpoint_to_restore(trainer: Trainer) -> dict[str, Any]:
    """Return the checkpoint that is read, but whose loops are not restored yet; empty when they are."""
    loaded = getattr(trainer._checkpoint_connector, "_loaded_checkpoint", None)
    restored = trainer.fit_loop.epoch_loop.restarting or trainer.global_step
    return loaded if isinstance(loaded, dict) and trainer.ckpt_path and not restored else {}


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
    if before_2_5(trainer) and loop.restarting and within_epoch:
        loop.batch_progress.increment_completed()


def count_begun_epoch(trainer: Trainer) -> None:
    """Count the epoch that begins where a checkpoint of an epoch's last batch is resumed; for ``on_train_start``.

    Lightning counts the old epoch as done, and not the new one as begun: a checkpoint within it would begin it anew.
    Where an epoch has more batches by now, it leaves out as many as the old one had, or goes on with the old one.
    """
    loop, batches = trainer.fit_loop, trainer.num_training_batches
    epoch_loop = loop.epoch_loop
    progress: Any = loop.epoch_progress
    done: Any = epoch_loop.batch_progress.current
    old = before_2_5(trainer) and epoch_loop.restarting and done.ready > 0  # which asks the old epoch once more
    if not epoch_loop.batch_progress.is_last_batch or not (old or getattr(loop, "restarted_mid_epoch", False)):
        return
    at_batch_end = getattr(epoch_loop, "restarted_on_train_batch_end", False)
    if at_batch_end and progress.current.started == progress.current.processed:
        progress.increment_ready()
        progress.increment_started()
    if math.isfinite(batches) and done.completed + at_batch_end < batches:
        done.ready = done.started = done.processed = int(batches)
        done.completed = int(batches) - at_batch_end  # Lightning counts one more then


def may_begin_epoch_anew(trainer: Trainer) -> bool:
    """Return whether a resumed epoch has as many batches as are done by now: its loader ends it, or begins it anew."""
    within = not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
    return within and run_progress(trainer).batches >= trainer.num_training_batches


def epoch_after_last_batch(trainer: Trainer) -> int:
    """Return the epoch in which a run continues after a resume at an epoch's last batch; 2.4 does not count it."""
    return trainer.current_epoch + before_2_5(trainer)

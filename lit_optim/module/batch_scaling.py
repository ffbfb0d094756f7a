"""Scales a module's lr to the batch size of its run, and follows that over a resume and a BatchSizeFinder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch.optim import Optimizer

from lit_optim.config.build.lr_scaling import LrScaling, ScaledLr, scale_lr
from lit_optim.config.read.spec import LR_SCALING
from lit_optim.config.resolve import Resolved
from lit_optim.lightning_api import Trainer, rank_zero_info, rank_zero_warn
from lit_optim.scheduler.batch_size import BatchSize, read_batch_size

KEY = f"optimizer.{LR_SCALING}"


def scale_each(
    parts: Sequence[Resolved], optimizers: Sequence[Optimizer], trainer: Trainer | None, resumed: int | None
) -> ScaledLr | None:
    """Scale the lrs of each new optimizer whose spec asks for it; return the scale where there is one optimizer.

    Args:
        parts: the specs of each optimizer.
        optimizers: without schedulers.
        trainer: gives the batch size; None where there is none.
        resumed: samples of an optimizer step of the checkpoint that the run goes on from.
    """
    pairs = zip(parts, optimizers, strict=True)
    scaled = [part.lr_scaling and scale_to_batch(part.lr_scaling, each, trainer, resumed) for part, each in pairs]
    return scaled[0] if len(scaled) == 1 else None


def scale_to_batch(scaling: LrScaling, optimizer: Optimizer, trainer: Trainer | None, resumed: int | None) -> ScaledLr:
    """Scale the lrs of a new optimizer, and print how.

    Args:
        scaling: the key ``lr_scaling`` of its spec.
        optimizer: without a scheduler.
        trainer: gives the batch size; None where there is none.
        resumed: samples of an optimizer step of the checkpoint that the run goes on from: its lr is kept.

    Raises:
        ConfigError: where the batch size is not known.
    """
    batch = None
    if scaling.batch_size is None and trainer is not None:
        batch = read_batch_size(trainer, f"{KEY}.batch_size")
    if resumed is not None and batch is not None and batch.samples != resumed:
        warn_of_another_batch(resumed, batch)
        batch = BatchSize(resumed)
    scaled = scale_lr(scaling, optimizer, batch)
    rank_zero_info(str(scaled))
    return scaled


def warn_of_another_batch(before: int, batch: BatchSize) -> None:
    """Warn that a resumed run keeps its lr, whose batch size was another one."""
    text = f"{KEY}: the checkpoint was written with batch {before}, this run has batch {batch}: it keeps its lr"
    rank_zero_warn(text)


def rescaled(scaled: ScaledLr, trainer: Trainer) -> ScaledLr | None:
    """Return what the lr is for the batch size that a BatchSizeFinder has found; None where it is the same."""
    if scaled.batch.given or (batch := read_batch_size(trainer, f"{KEY}.batch_size")) == scaled.batch:
        return None
    new = replace(scaled, batch=batch)
    rank_zero_info(str(new))
    return new

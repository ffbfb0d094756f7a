"""Read from a Trainer how many optimizer steps it will take, or why that is unknown."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from lit_optim.duration import RunLength
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import Trainer, imported_classes, is_timed
from lit_optim.scheduler.run_progress import RunProgress, run_progress

_SET = "set trainer.max_steps, or scheduler.total_steps"


def run_length(trainer: Trainer | None, optimizers: int = 1, done: int | None = None) -> RunLength:
    """Read the length of the run and of an epoch from a Trainer: accumulation, devices and limits are counted in.

    It is the steps that are done and those that the Trainer still has to take, in its present batches.

    Args:
        trainer: a Trainer that is fitting; its train dataloader is set up if it was not yet. Without one, nothing is
            known.
        optimizers: that each take a step in every batch, by hand; ``max_steps`` counts the steps of all of them.
        done: steps of each optimizer that are done; None: those of the checkpoint that the run goes on from, if any.

    Raises:
        ConfigError: for a run of no steps at all.
    """
    if trainer is None:
        return RunLength()
    check_has_steps(trainer)
    with training_data(trainer):
        batches = trainer.num_training_batches
    if batches == 0:
        raise ConfigError("trainer: there is no training batch, so nothing to train; see trainer.limit_train_batches")
    progress = run_progress(trainer)
    if done is None:
        done = progress.steps // optimizers if trainer.ckpt_path else 0
    left, reason = steps_left(trainer, progress, optimizers)
    total = None if left is None else done + left
    unknown_because = f"total_steps is unknown because {reason}; {_SET}"
    limited = trainer.max_epochs is not None and trainer.max_epochs > 0
    return RunLength(
        total, steps_per_epoch(trainer), unknown_because, trainer.max_epochs if limited else None, shortened_by(trainer)
    )


def steps_per_epoch(trainer: Trainer) -> int | None:
    """Return the optimizer steps of an epoch; None without a fixed number. The train dataloader is set up."""
    accumulation = set(accumulated_batches(trainer).values())
    if math.isfinite(trainer.num_training_batches) and len(accumulation) == 1:
        return math.ceil(trainer.num_training_batches / accumulation.pop())
    return None


def shortened_by(trainer: Trainer) -> str:
    """Return the argument that makes a Trainer's run a short trial of a longer one; '' where there is none."""
    if vars(trainer).get("fast_dev_run"):
        return f"fast_dev_run={trainer.fast_dev_run}"  # type: ignore[attr-defined]  # set by a connector
    overfit = trainer.overfit_batches  # type: ignore[attr-defined]  # set by a connector
    given = {"overfit_batches": (overfit, 0), "limit_train_batches": (trainer.limit_train_batches, 1)}
    return next((f"{name}={value}" for name, (value, off) in given.items() if value not in (off, None)), "")


@contextlib.contextmanager
def training_data(trainer: Trainer | None) -> Iterator[None]:
    """Set the train dataloader up for the context, if it was not yet; it stays set up where Lightning lets it."""
    if trainer is None or trainer.train_dataloader is not None:
        yield
        return
    trainer.fit_loop.setup_data()
    yield
    if trainer.ckpt_path is not None or trainer.strategy.restore_checkpoint_after_setup:  # which sets ckpt_path later
        # Lightning gives a loader its restored state only while setting it up, and restores the checkpoint's loops
        # later than this: without another set-up a run that is resumed within an epoch would begin that epoch anew
        trainer.fit_loop._combined_loader = None


def check_has_steps(trainer: Trainer) -> None:
    """Check that no argument of the Trainer makes it a run of no optimizer steps.

    Raises:
        ConfigError: names the argument of the Trainer.
    """
    if trainer.accumulate_grad_batches < 1:
        raise ConfigError(f"trainer.accumulate_grad_batches={trainer.accumulate_grad_batches}: must be at least 1")
    for name in ("max_epochs", "max_steps", "limit_train_batches"):
        if getattr(trainer, name) == 0:
            raise ConfigError(f"trainer.{name}=0: nothing to train; set at least 1, or call trainer.validate")


def accumulated_batches(trainer: Trainer) -> dict[int, int]:
    """Return how many batches are accumulated per optimizer step, by the epoch from which that holds."""
    schedulers: Any = imported_classes("callbacks.GradientAccumulationScheduler")
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by the callback connector
        if isinstance(callback, schedulers):
            return {0: 1, **callback.scheduling}
    return {0: trainer.accumulate_grad_batches}


def steps_left(trainer: Trainer, progress: RunProgress, optimizers: int = 1) -> tuple[int | None, str]:
    """Count the steps that each optimizer still has to take, or return the reason why that is unknown beside None.

    Args:
        trainer: with a train dataloader.
        progress: of the run.
        optimizers: that each take a step in every batch.
    """
    batches, accumulation, epochs = trainer.num_training_batches, accumulated_batches(trainer), trainer.max_epochs
    limit = max(0, math.ceil((trainer.max_steps - progress.steps) / optimizers)) if trainer.max_steps != -1 else None
    if not math.isfinite(batches):
        return limit, "the train dataloader has no length"
    if epochs is None or epochs == -1:
        only_time = trainer.fit_loop.max_epochs == -1 and is_timed(trainer)
        return limit, "only max_time ends the run" if only_time else f"max_epochs={epochs}"
    done, first = progress.epochs, progress.batches
    starts = sorted(accumulation)
    ends = [*starts[1:], epochs]
    steps = sum(
        max(0, min(end, epochs) - max(start, done)) * math.ceil(batches / accumulation[start])
        for start, end in zip(starts, ends, strict=True)
    )
    if done < epochs:  # of the epoch that is begun, its first batches are done
        steps -= first // accumulation[max(start for start in starts if start <= done)]
    return (steps if limit is None else min(steps, limit)), ""


def end_by_hand(trainer: Trainer, progress: RunProgress, optimizers: int) -> int | None:
    """Return the steps at which a run of manual optimization ends, as if each optimizer stepped in every batch.

    It is the same throughout a run, also where its training step does not take each of these steps.

    Args:
        trainer: that trains.
        progress: of the run.
        optimizers: of the module.
    """
    ends, batches, epochs = [], trainer.num_training_batches, trainer.max_epochs
    seen: Any = trainer.fit_loop.epoch_loop.batch_progress.total
    if trainer.max_steps != -1:
        ends.append(progress.steps + max(0, math.ceil((trainer.max_steps - progress.steps) / optimizers)) * optimizers)
    if math.isfinite(batches) and epochs is not None and epochs != -1:
        left = (epochs - progress.epochs) * int(batches) - progress.batches
        ends.append((seen.processed + max(0, left)) * optimizers)
    return min(ends, default=None)


def epoch_position(trainer: Trainer, progress: RunProgress, per_epoch: int) -> Fraction:
    """Return the epochs that are done, so that the present one ends where Lightning ends it."""
    return progress.epochs + Fraction(progress.batches // trainer.accumulate_grad_batches, per_epoch)

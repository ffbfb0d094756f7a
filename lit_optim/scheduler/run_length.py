"""Read from a Trainer how many optimizer steps it will take, or why that is unknown."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

from lit_optim.duration import RunLength
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import Trainer
from lit_optim.lightning_api import callbacks as lightning_callbacks

_SET = "set trainer.max_steps, or scheduler.total_steps"


def run_length(trainer: Trainer | None, optimizers: int = 1) -> RunLength:
    """Read the length of the run and of an epoch from a Trainer: accumulation, devices and limits are counted in.

    Args:
        trainer: a Trainer that is fitting; its train dataloader is set up if it was not yet. Without one, nothing is
            known.
        optimizers: that each take a step in every batch, by hand; ``max_steps`` counts the steps of all of them.

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
    accumulation = accumulated_batches(trainer)
    per_epoch = None
    if math.isfinite(batches) and len(set(accumulation.values())) == 1:
        per_epoch = math.ceil(batches / next(iter(accumulation.values())))
    total, reason = _total(trainer, batches, accumulation, optimizers)
    unknown_because = f"total_steps is unknown because {reason}; {_SET}"
    limited = trainer.max_epochs is not None and trainer.max_epochs > 0
    return RunLength(total, per_epoch, unknown_because, trainer.max_epochs if limited else None)


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
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by the callback connector
        if isinstance(callback, lightning_callbacks.GradientAccumulationScheduler):
            return {0: 1, **callback.scheduling}
    return {0: trainer.accumulate_grad_batches}


def _total(trainer: Trainer, batches: float, accumulation: dict[int, int], optimizers: int) -> tuple[int | None, str]:
    """Count the steps of each optimizer in the run, or return the reason why that is unknown as the second item."""
    max_steps = math.ceil(trainer.max_steps / optimizers) if trainer.max_steps != -1 else None
    epochs = trainer.max_epochs
    if not math.isfinite(batches):
        return max_steps, "the train dataloader has no length"
    if epochs is None or epochs == -1:
        only_time = trainer.fit_loop.max_epochs == -1 and _has_max_time(trainer)
        return max_steps, "only max_time ends the run" if only_time else f"max_epochs={epochs}"
    starts = sorted(accumulation)
    ends = [*starts[1:], epochs]
    steps = sum(
        max(0, min(end, epochs) - start) * math.ceil(batches / accumulation[start])
        for start, end in zip(starts, ends, strict=True)
    )
    return (steps if max_steps is None else min(steps, max_steps)), ""


def _has_max_time(trainer: Trainer) -> bool:
    return any(isinstance(callback, lightning_callbacks.Timer) for callback in trainer.callbacks)  # type: ignore[attr-defined]

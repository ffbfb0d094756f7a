"""Read from a Trainer how many optimizer steps it will take, or why that is unknown."""

from __future__ import annotations

import math

from lit_optim.duration import RunLength
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import Trainer, is_instance

_SET = "set trainer.max_steps, or scheduler.total_steps"


def run_length(trainer: Trainer | None) -> RunLength:
    """Read the length of the run and of an epoch from a Trainer: accumulation, devices and limits are counted in.

    Args:
        trainer: a Trainer that is fitting; its train dataloader is set up if it was not yet. Without one, nothing is
            known.

    Raises:
        ConfigError: for a run of no steps at all.
    """
    if trainer is None:
        return RunLength()
    check_has_steps(trainer)
    batches = _training_batches(trainer)
    if batches == 0:
        raise ConfigError("trainer: there is no training batch, so nothing to train; see trainer.limit_train_batches")
    accumulation = _accumulation(trainer)
    per_epoch = None
    if math.isfinite(batches) and len(set(accumulation.values())) == 1:
        per_epoch = math.ceil(batches / next(iter(accumulation.values())))
    total, reason = _total(trainer, batches, accumulation)
    unknown_because = f"total_steps is unknown because {reason}; {_SET}"
    limited = trainer.max_epochs is not None and trainer.max_epochs > 0
    return RunLength(total, per_epoch, unknown_because, trainer.max_epochs if limited else None)


def _training_batches(trainer: Trainer) -> float:
    """Count the batches of an epoch; the dataloader is set up for it if it was not yet."""
    if trainer.train_dataloader is not None:
        return trainer.num_training_batches
    trainer.fit_loop.setup_data()
    batches = trainer.num_training_batches
    if trainer.ckpt_path is not None or trainer.strategy.restore_checkpoint_after_setup:  # which sets ckpt_path later
        # Lightning gives a loader its restored state only while setting it up, and restores the checkpoint's loops
        # later than this: without another set-up a run that is resumed within an epoch would begin that epoch anew
        trainer.fit_loop._combined_loader = None
    return batches


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


def _accumulation(trainer: Trainer) -> dict[int, int]:
    """Return how many batches are accumulated per optimizer step, by the epoch from which that holds."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by the callback connector
        if is_instance(callback, "callbacks.GradientAccumulationScheduler"):
            return {0: 1, **callback.scheduling}
    return {0: trainer.accumulate_grad_batches}


def _total(trainer: Trainer, batches: float, accumulation: dict[int, int]) -> tuple[int | None, str]:
    """Count the optimizer steps of the run, or return the reason why that is unknown as the second item."""
    max_steps = trainer.max_steps if trainer.max_steps != -1 else None
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
    return any(is_instance(callback, "callbacks.Timer") for callback in trainer.callbacks)  # type: ignore[attr-defined]

"""How many optimizer steps a Trainer is going to take, or why nobody can know."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lit_optim.duration import Clock
from lit_optim.errors import ConfigError

if TYPE_CHECKING:
    from lit_optim.lightning_api import Trainer

_SET = "set trainer.max_steps, or scheduler.total_steps"


def run_length_of(trainer: Trainer) -> Clock:
    """The length of the run and of an epoch in optimizer steps, with accumulation, devices and limits counted in.

    Args:
        trainer: a Trainer that is fitting; its train dataloader is set up if it was not yet.

    Raises:
        ConfigError: for a run of no steps at all.
    """
    check_has_steps(trainer)
    batches = _training_batches(trainer)
    if batches == 0:
        raise ConfigError("trainer: there is no training batch, so nothing to train; see trainer.limit_train_batches")
    accumulation = _accumulation(trainer)
    per_epoch = None
    if math.isfinite(batches) and len(set(accumulation.values())) == 1:
        per_epoch = math.ceil(batches / next(iter(accumulation.values())))
    total, reason = _total(trainer, batches, accumulation)
    return Clock(total, per_epoch, f"total_steps is unknown because {reason}; {_SET}")


def _training_batches(trainer: Trainer) -> float:
    """Batches of an epoch; the dataloader is set up for it if it was not yet."""
    if trainer.train_dataloader is not None:
        return trainer.num_training_batches
    trainer.fit_loop.setup_data()
    batches = trainer.num_training_batches
    if trainer.ckpt_path is not None or trainer.strategy.restore_checkpoint_after_setup:  # which sets ckpt_path later
        # Lightning gives a loader its restored state only while setting it up, and the checkpoint's loops are restored
        # later than this: without another set-up a run that is resumed within an epoch would begin that epoch anew
        trainer.fit_loop._combined_loader = None
    return batches


def check_has_steps(trainer: Trainer) -> None:
    """Refuses a run of no optimizer steps by the argument that makes it one.

    Raises:
        ConfigError: names the argument of the Trainer.
    """
    if trainer.accumulate_grad_batches < 1:
        raise ConfigError(f"trainer.accumulate_grad_batches={trainer.accumulate_grad_batches}: must be at least 1")
    for name in ("max_epochs", "max_steps", "limit_train_batches"):
        if getattr(trainer, name) == 0:
            raise ConfigError(f"trainer.{name}=0: nothing to train; set at least 1, or call trainer.validate")


def _accumulation(trainer: Trainer) -> dict[int, int]:
    """Batches an optimizer step, by the epoch it begins at."""
    from lit_optim.lightning_api import GradientAccumulationScheduler

    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by the callback connector
        if isinstance(callback, GradientAccumulationScheduler):
            return {0: 1, **callback.scheduling}
    return {0: trainer.accumulate_grad_batches}


def _total(trainer: Trainer, batches: float, accumulation: dict[int, int]) -> tuple[int | None, str]:
    """Optimizer steps of the run; None with the reason where it has no known end."""
    max_steps = trainer.max_steps if trainer.max_steps != -1 else None
    epochs = trainer.max_epochs
    if epochs is None or epochs == -1 or not math.isfinite(batches):
        if not math.isfinite(batches):
            reason = "the train dataloader has no length"
        elif trainer.fit_loop.max_epochs == -1 and _max_time(trainer):
            reason = "only max_time ends the run"
        else:
            reason = f"max_epochs={epochs}"
        return max_steps, reason
    starts = sorted(accumulation)
    ends = [*starts[1:], epochs]
    steps = sum(
        max(0, min(end, epochs) - start) * math.ceil(batches / accumulation[start])
        for start, end in zip(starts, ends, strict=True)
    )
    return (steps if max_steps is None else min(steps, max_steps)), ""


def _max_time(trainer: Trainer) -> bool:
    from lit_optim.lightning_api import Timer

    return any(isinstance(callback, Timer) for callback in trainer.callbacks)  # type: ignore[attr-defined]

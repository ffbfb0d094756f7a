"""Log numbers to the loggers of a Trainer, when and by the step that Lightning logs its own."""

from __future__ import annotations

from collections.abc import Mapping

from lit_optim.lightning_api import Trainer


def logs_batch(trainer: Trainer) -> bool:
    """Return whether the Trainer logs the batch that has begun, and has not ended."""
    every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]  # set by a connector
    return every > 0 and (trainer.should_stop or (trainer.fit_loop.epoch_loop._batches_that_stepped + 1) % every == 0)


def log_batch(trainer: Trainer, numbers: Mapping[str, float]) -> None:
    """Log numbers of the batch that ends, without the cost of ``self.log`` for each."""
    for logger in trainer.loggers:
        logger.log_metrics(dict(numbers), step=trainer.fit_loop.epoch_loop._batches_that_stepped)

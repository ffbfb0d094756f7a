from __future__ import annotations

import warnings
from typing import Any

from lit_optim.errors import ConfigError, did_you_mean
from lit_optim.lightning_api import (
    Callback,
    LightningModule,
    Trainer,
    epoch_after_last_batch,
    rank_zero_warn,
    validates_again_on_resume,
)


class MetricFeeder(Callback):
    """Base of callbacks that consume a logged metric, before any checkpoint of that moment is written.

    The metric is read after every validation of a fit (whatever ``val_check_interval`` says), or at the end of each
    epoch if its name begins with ``train`` (its mean over an epoch begins anew when a run is resumed within it). In a
    distributed run all ranks take the value of rank 0.

    Args:
        monitor: name of the logged metric; None: there is none to consume.

    Raises:
        ConfigError: when the metric is not among those that were logged - after the sanity check where there is one;
            only a warning where ``strict`` is False.
    """

    key = "monitor"  # dotted name of the configured metric
    taker = ""  # who consumes the metric, for the warning
    strict = True

    def feed(self, trainer: Trainer, value: float) -> None:
        """Consume one value of the metric."""
        raise NotImplementedError

    def __init__(self, monitor: str | None) -> None:
        self.monitor = monitor
        self.fed_at = -1  # optimizer steps before the last value
        self._may_repeat = False  # the first validation of a resumed run is the last one before it

    @property
    def of_training(self) -> bool:
        """Return whether it is a training metric, which is complete at the end of an epoch only."""
        return self.monitor is not None and self.monitor.startswith("train")

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reject a metric that the sanity check did not log, before training starts."""
        if self.monitor is not None and not self.of_training:
            self._value_of_rank_0(trainer, self.monitor)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Feed a validation metric."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking and not self.of_training:
            self._feed(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Feed a training metric; without validation, reject a metric that was not logged."""
        if self.of_training or not trainer.enable_validation:
            self._feed(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Warn where a resumed run cannot be exact: Lightning skips a validation that was due."""
        progress = trainer.fit_loop.epoch_loop.batch_progress
        every = trainer.check_val_every_n_epoch
        due = self.of_training or every is None or epoch_after_last_batch(trainer) % every == 0
        if trainer.ckpt_path and progress.is_last_batch and due and self.fed_at != trainer.global_step:
            warnings.warn(
                "this checkpoint was written at the last batch of an epoch, before its validation, which Lightning "
                f"does not run on resume: {self.taker} misses one value of {self.monitor!r}. Save at the epoch's end.",
                stacklevel=2,
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer step at which the last value was fed."""
        return {"fed_at": self.fed_at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore that step."""
        self.fed_at = int(state_dict["fed_at"])
        self._may_repeat = True

    def _feed(self, trainer: Trainer) -> None:
        if self.monitor is None:
            return
        value = self._value_of_rank_0(trainer, self.monitor)
        if value is None:
            return
        repeated = self._may_repeat and validates_again_on_resume(trainer) and self.fed_at == trainer.global_step
        if not repeated:
            self.feed(trainer, value)
        self._may_repeat, self.fed_at = False, trainer.global_step

    def _value_of_rank_0(self, trainer: Trainer, monitor: str) -> float | None:
        metrics = trainer.callback_metrics
        own = float(metrics[monitor]) if monitor in metrics else None
        value: float | None = trainer.strategy.broadcast(own)
        if value is None:  # on all ranks alike, so that none waits for the others
            hint = did_you_mean(monitor, metrics, list_all=True) or "; nothing was logged"
            problem = f"{self.key}={monitor!r}: not among the logged metrics{hint}"
            if self.strict:
                raise ConfigError(problem)
            rank_zero_warn(problem)
        return value

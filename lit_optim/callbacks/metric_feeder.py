from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from lit_optim.config.pitfalls.logged import Logged, logged_by_all
from lit_optim.errors import ConfigError, did_you_mean
from lit_optim.lightning_api import (
    Callback,
    LightningModule,
    Trainer,
    call_after_hook,
    is_logged_by_a_loop,
    logged_metric,
    rank_zero_warn,
    validates_again_on_resume,
)
from lit_optim.scheduler.run_progress import epoch_after_last_batch


class MetricFeeder(Callback):
    """Base of callbacks that consume a logged metric, before any checkpoint of that moment is written.

    What a validation has logged is consumed at its end, whatever ``val_check_interval`` says; everything else at the
    end of a training epoch, after the module's own ``on_train_epoch_end`` (a mean over an epoch begins anew when a run
    is resumed within it). A metric that both log counts as one of validation. Each value is consumed once: where
    nothing was logged since the last one, none is. In a distributed run all ranks take the value of rank 0.

    Args:
        monitor: name of the logged metric; None: there is none to consume.

    Raises:
        ConfigError: when the metric is not among those that were logged: after the sanity check if the source of the
            module and of the callbacks does not log it in training either, else after the first epoch and the first
            validation; only a warning where ``strict`` is False.
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
        self.of_validation = False  # whether a validation has logged it
        self.validated_at = -1  # optimizer steps before the last validation
        self._unfed: tuple[int, float] | None = None  # optimizer step and value of an epoch that has not ended
        self._undo: Callable[[], None] | None = None  # of what waits for the module's own hook
        self._missed = False  # whether it was reported as missing
        self._may_repeat = False  # the first validation of a resumed run is the last one before it

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reject a metric that is logged neither by the sanity check nor, as their source says, anywhere else."""
        if self.monitor is not None:
            value = self._value_of_rank_0(trainer, validation=True)
            self.of_validation |= value is not None
            source = logged_by_all(trainer, pl_module)
            if value is None and not source.has(self.monitor) and not source.unknown:
                self._report_missing(trainer, source)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Feed a metric of validation; after the last batch of an epoch, keep one of training for a checkpoint."""
        if self.monitor is None or trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        self.validated_at = trainer.global_step
        value = self._value_of_rank_0(trainer, validation=True)
        self.of_validation |= value is not None
        if value is not None:
            self._feed(trainer, value)
        elif not self.of_validation and trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            value = self._value_of_rank_0(trainer, validation=False)
            self._unfed = self._unfed if value is None else (trainer.global_step, value)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Feed a metric of training once the module's own hook has run, which may log too."""
        if self.monitor is not None:
            act = functools.partial(self._end_epoch, trainer, pl_module)
            self._undo = call_after_hook(pl_module, "on_train_epoch_end", act)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Warn where a resumed run cannot be exact: Lightning skips a validation that was due."""
        progress = trainer.fit_loop.epoch_loop.batch_progress
        every = trainer.check_val_every_n_epoch
        known_to_train = self.fed_at >= 0 or str(self.monitor).startswith("train")  # before a first value, by its name
        of_training = not self.of_validation and known_to_train
        due = of_training or every is None or epoch_after_last_batch(trainer) % every == 0
        known = trainer.global_step in (self.fed_at, self.validated_at)
        if trainer.ckpt_path and progress.is_last_batch and due and not known:
            warnings.warn(
                "this checkpoint was written at the last batch of an epoch, before its validation, which Lightning "
                f"does not run on resume: {self.taker} misses one value of {self.monitor!r}. Save at the epoch's end.",
                stacklevel=2,
            )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Warn of a metric that could be logged by its name, and never was."""
        if self.monitor is not None and self.fed_at < 0 and not self._missed and not vars(trainer).get("fast_dev_run"):
            rank_zero_warn(f"{self.key}={self.monitor!r}: was never logged in this run, so {self.taker} had no value")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the module's own hook as it was."""
        if self._undo is not None:
            self._undo()

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer step at which the last value was fed, and a value that is fed at the epoch's end."""
        unfed = {} if self._unfed is None else {"unfed": self._unfed}
        steps = {"fed_at": self.fed_at, "validated_at": self.validated_at}
        return {**steps, "of_validation": self.of_validation, **unfed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore that step and that value."""
        self.fed_at = int(state_dict["fed_at"])
        self.validated_at = int(state_dict.get("validated_at", -1))
        self.of_validation = bool(state_dict.get("of_validation", self.of_validation))
        self._unfed = state_dict.get("unfed")
        self._may_repeat = True

    def _end_epoch(self, trainer: Trainer, module: LightningModule) -> None:
        self._undo = None
        if not self.of_validation:
            value, unfed = self._value_of_rank_0(trainer, validation=False), self._unfed
            self._unfed = None
            if value is None and unfed is not None and unfed[0] == trainer.global_step:
                value = unfed[1]  # the run was resumed between the last batch and here
            if value is not None:
                self._feed(trainer, value)
        seen = self.of_validation or self.fed_at >= 0
        if not seen and not self._missed and (self.validated_at >= 0 or not trainer.enable_validation):
            assert self.monitor is not None
            source = logged_by_all(trainer, module)
            if not source.has(self.monitor):  # else it may be logged every few epochs
                self._report_missing(trainer, source)

    def _feed(self, trainer: Trainer, value: float) -> None:
        repeated = self._may_repeat and validates_again_on_resume(trainer) and self.fed_at == trainer.global_step
        if not repeated:
            self.feed(trainer, value)
        self._may_repeat, self.fed_at = False, trainer.global_step

    def _value_of_rank_0(self, trainer: Trainer, *, validation: bool) -> float | None:
        assert self.monitor is not None
        own = logged_metric(trainer, self.monitor, validation=validation)
        if own is None and not validation and not is_logged_by_a_loop(trainer, self.monitor):
            own = trainer.callback_metrics.get(self.monitor)  # type: ignore[assignment]  # written by other code
        value: float | None = trainer.strategy.broadcast(None if own is None else float(own))
        return value

    def _report_missing(self, trainer: Trainer, source: Logged) -> None:
        """Raise or warn, on all ranks alike, so that none waits for the others."""
        self._missed = True
        names = dict.fromkeys([*trainer.callback_metrics, *source.names])
        hint = did_you_mean(str(self.monitor), names, list_all=True) or "; nothing was logged"
        problem = f"{self.key}={self.monitor!r}: not among the logged metrics{hint}"
        if self.strict:
            raise ConfigError(problem)
        rank_zero_warn(problem)

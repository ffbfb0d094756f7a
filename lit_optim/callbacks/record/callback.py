from __future__ import annotations

import contextlib
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from torch.optim import Optimizer

from lit_optim.callbacks.protocol import callbacks_with_phases
from lit_optim.callbacks.record.arguments import check_record_arguments
from lit_optim.callbacks.record.facts import facts_of_start, facts_of_training
from lit_optim.callbacks.record.losses import Losses, mean_over_ranks, metrics_of
from lit_optim.callbacks.record.outcome import outcome_of, reason_of_divergence
from lit_optim.callbacks.record.record_folder import RecordFolder, add_metrics
from lit_optim.callbacks.record.start import checksum_of_batch, facts_of_new_run, total_steps
from lit_optim.callbacks.record.step_clock import StepClock, time_summary
from lit_optim.callbacks.record.step_meter import StepMeter
from lit_optim.lightning_api import Callback, LightningModule, Trainer, end_at_step, rank_zero_warn

_ended = WeakKeyDictionary[Trainer, tuple[Path, int, int, float]]()  # a test has another callback


class Record(Callback):
    """Writes a record of the run, one folder a run, which a kill at any moment leaves readable.

    ``run.json``: spec, seed, versions, hardware, git state, command; planned steps, groups, checksums of first weights
    and batch; parameters, bytes of optimizer state, peak memory, times of steps; switches, divergence, outcome:
    ``running`` until the end, then ``finished``, ``stopped``, ``diverged`` (the last loss was), ``crashed`` or
    ``interrupted``. ``steps.csv``: a row every n optimizer steps: mean of the losses since the row before, values that
    the groups used, norms of the gradient (before clipping) and of the update. ``metrics.csv``: each metric of a
    validation or a test. Seconds are those of training since its start, validations included. Rank 0 writes. A resumed
    run goes on in the same files; one from the start replaces them, with a warning. The host waits only at a row.

    Args:
        folder: where to write; a relative one lies in the Trainer's ``default_root_dir``.
        every_n_steps: optimizer steps between two rows, at least 1.
        diverged_above: a loss above this many times the first one (below 1: as 1) has diverged; above 1, inf: no limit.
        stop_diverged: whether divergence ends the fit.
        stop_after: optimizer steps after which the fit ends, for an estimate of its time; 0: none.

    Raises:
        ConfigError: for values out of range, and for a damaged record that cannot go on.

    Example:
        >>> Record(every_n_steps=10).folder
        PosixPath('record')
    """

    single: ClassVar[bool] = True
    # Lightning takes a dozen function calls for each hook of a step, but none for what it cannot call
    on_before_zero_grad = on_before_backward = on_after_backward = None  # type: ignore[assignment]
    on_before_optimizer_step: Any = None  # but in a step that is measured
    on_train_batch_start: Any = None  # but for the first batch

    def __init__(
        self,
        folder: str | Path = "record",
        every_n_steps: int = 50,
        diverged_above: float = 10.0,
        stop_diverged: bool = False,
        stop_after: int = 0,
    ) -> None:
        check_record_arguments(folder, every_n_steps, diverged_above, stop_after)
        self.folder, self.every_n_steps = Path(folder), every_n_steps
        self.diverged_above, self.stop_diverged, self.stop_after = diverged_above, stop_diverged, stop_after
        self._files: RecordFolder | None = None  # of rank 0, within a fit
        self._active = False
        self._forget()

    def _forget(self) -> None:
        self._row: int | None = None  # the step of the last row
        self._seconds = 0.0  # of earlier sessions
        self._losses, self._phases, self._taken = Losses(), dict[str, str](), 0  # steps of the last batch

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the files, so that what fails from here on is recorded."""
        self._begin(trainer, pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the files, and start the time."""
        self._begin(trainer, pl_module)
        if self._files is not None:
            self._files.update(total_steps=total_steps(trainer))
        self._started = time.perf_counter() - self._seconds

    def _begin(self, trainer: Trainer, module: LightningModule) -> None:
        if self._active or trainer.state.fn != "fit" or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        self._step, self._epoch = trainer.global_step, trainer.current_epoch
        if not self._step:
            self._forget()
        self._taken, self._reached = self._taken or len(trainer.optimizers), self._step // self.every_n_steps
        self._active, self._diverged, self._started = True, False, time.perf_counter() - self._seconds
        self._clock = StepClock(cuda=module.device.type == "cuda")
        self._meter = StepMeter(trainer, module.device)
        self._phased = callbacks_with_phases(trainer.callbacks)  # type: ignore[attr-defined]  # set by a connector
        if trainer.is_global_zero:
            facts = facts_of_start(trainer, module) | facts_of_training(trainer, module)
            facts |= {"every_n_steps": self.every_n_steps, "diverged_above": self.diverged_above}
            if not self._step:
                facts |= facts_of_new_run(trainer, module)
                self.on_train_batch_start = self._first_batch
            folder, now = Path(trainer.default_root_dir) / self.folder, datetime.now(timezone.utc)
            self._files = RecordFolder(folder, facts, now.isoformat(timespec="seconds"), self._step, self._row)
        self._arm()

    def _arm(self) -> None:
        """Let Lightning call the hook before the next optimizer step only if it has something to do."""
        self._due = (self._step + self._taken) // self.every_n_steps > self._reached  # multiples of n with a row
        self.on_before_optimizer_step = self._before_step if self._due or self._phased else None

    def _first_batch(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.on_train_batch_start = None
        if self._files is not None:
            self._files.run["start"]["batch"] = checksum_of_batch(batch)
            self._files.update()

    def _before_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Note the phases of the optimizer, and begin to measure a step."""
        for callback in self._phased:
            name, phase = type(callback).__name__, callback.phase(trainer)
            before, self._phases[name] = self._phases.get(name, phase), phase
            if before != phase and self._files is not None:
                self._files.add_switch(trainer.global_step + 1, name, before, phase)
        if self._due:
            self._meter.before_step(trainer, optimizer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the loss, mark the time, and write a row if it is due."""
        if not self._active:
            return
        self._losses.add(outputs, trainer.accumulate_grad_batches if pl_module.automatic_optimization else 1)
        if (step := trainer.global_step) == self._step:
            return
        self._step, self._taken = step, step - self._step
        self._clock.tick()
        if self._meter.has_measured:
            self._write_row(trainer, pl_module)
        self._arm()
        if 0 < self.stop_after <= step:
            end_at_step(trainer, step)

    def _write_row(self, trainer: Trainer, module: LightningModule) -> None:
        """Write a row, and judge the loss; all ranks take part."""
        measured = self._meter.take()
        loss = self._losses.take(lambda values: mean_over_ranks(values, trainer, module))
        self._clock.settle()
        self._row, self._reached = self._step, max(self._reached + 1, self._step // self.every_n_steps)
        if self._files is not None:
            self._files.steps.append({**self._place(trainer), "loss": loss, **measured})
        if loss is None or self._losses.first is None:
            return
        self._diverged = bool(reason := reason_of_divergence(loss, self._losses.first, self.diverged_above))
        if reason and self._files is not None:
            self._files.add_divergence(self._step, loss, reason)
        if reason and self.stop_diverged:
            rank_zero_warn(f"optim_callbacks.record.stop_diverged: step {self._step}: {reason}; the fit ends")
            trainer.should_stop = True

    def _place(self, trainer: Trainer) -> dict[str, Any]:
        seconds = round(time.perf_counter() - self._started, 6)
        return {"step": trainer.global_step, "epoch": self._epoch, "seconds": seconds}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the metrics of a validation."""
        if not self._active or trainer.sanity_checking:
            return
        if self._files is not None:
            for name, value in metrics_of(trainer.fit_loop.epoch_loop.val_loop):
                self._files.add_metric({**self._place(trainer), "name": name, "value": value})
        self._clock.restart()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the metrics of a test after the fit."""
        if trainer in _ended:
            add_metrics(*_ended[trainer], metrics_of(trainer.test_loop))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave out of the times of steps what was between two epochs."""
        if self._active:
            self._epoch = trainer.current_epoch  # it is one more in `on_train_end`
            self._clock.restart()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what is known by now, for a run that is killed."""
        self._update(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write a row of the steps since the last one."""
        if self._active and self._step > (self._row or 0):
            self._write_row(trainer, pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the outcome."""
        if self._active:
            outcome = "stopped" if 0 < self.stop_after <= self._step else "finished"
            self._end(trainer, pl_module, "diverged" if self._diverged else outcome)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write what has ended the run; Lightning raises it again."""
        if self._active:
            outcome, error = outcome_of(exception)
            self._end(trainer, pl_module, outcome, error=error)

    def _update(self, trainer: Trainer, module: LightningModule, **facts: Any) -> None:
        if self._files is not None:
            with contextlib.suppress(RuntimeError):  # of a GPU that has failed, whose error ends the run
                self._clock.settle()
            measured = {
                "seconds": round(time.perf_counter() - self._started, 6),
                "step_seconds": time_summary(self._clock.seconds, self._clock.first),
                "peak_memory": self._meter.peak.read(),
            }
            self._files.update(measured, steps=trainer.global_step, **facts_of_training(trainer, module), **facts)

    def _end(self, trainer: Trainer, module: LightningModule, outcome: str, **error: str) -> None:
        """Write the outcome and close the files; a failure to do so hides no error that has ended the run."""
        files, self._active = self._files, False
        self.on_before_optimizer_step = self.on_train_batch_start = None
        self._seconds = time.perf_counter() - self._started
        try:
            self._update(trainer, module, outcome=outcome, **error)
        except OSError as problem:
            rank_zero_warn(f"the record could not be written to its end: {problem}")
        if files is not None:
            files.close()
            _ended[trainer] = files.path.parent, self._step, self._epoch, self._seconds
        self._files = None

    def state_dict(self) -> dict[str, Any]:
        """Return where the rows stand, and the losses since the last one."""
        return {
            "row": self._row,
            "seconds": time.perf_counter() - self._started if self._active else self._seconds,
            "losses": self._losses.since_row(),
            "first_loss": self._losses.first,
            "phases": dict(self._phases),
            "taken": self._taken,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore them."""
        self._row, self._seconds = state_dict["row"], float(state_dict["seconds"])
        self._losses, self._phases, self._taken = Losses(), dict(state_dict["phases"]), state_dict.get("taken", 0)
        self._losses.first, self._losses.earlier = state_dict["first_loss"], [*state_dict["losses"]]

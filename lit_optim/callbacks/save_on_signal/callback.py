from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from lit_optim.callbacks.save_on_signal.resumable_moment import is_resumable, path_of_last
from lit_optim.distributed import AgreedMaximum
from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.lightning_api import Callback, LightningModule, Trainer, handlers_to_keep, is_instance, rank_zero_warn

REPEATED = 1.0  # seconds within which a launcher and a process group may deliver one signal twice
EXIT_CODE = 128  # plus the signal's number, as shells count


class SaveOnSignal(Callback):
    """Saves the run at the next optimizer step when a signal asks it to stop, and exits with 128 + the signal's number.

    The checkpoint is ``last.ckpt`` in the folder of the first ModelCheckpoint, or without one in ``default_root_dir``.
    It is written where a resumed run goes on to the bit: at the end of a batch with an optimizer step. A signal in a
    validation, or before one that is due, waits for the step after it. All ranks stop at the same step. The second
    signal of a kind stops at once. Handlers that were there before run after the save (a SLURM requeue among them), and
    are restored after the fit. Python handles signals in the main thread only: a fit in another thread has a warning.

    Args:
        signals: names of the signals; one that the system lacks, or that the process ignores, is left out.

    Raises:
        ConfigError: for a name that is no signal, or a signal that no process can handle.

    Example:
        >>> SaveOnSignal(signals=["SIGTERM"]).signals
        [<Signals.SIGTERM: 15>]
    """

    def __init__(self, signals: Sequence[str] = ("SIGTERM", "SIGINT", "SIGUSR1")) -> None:
        self.signals = read_signals(signals)
        self._before: dict[int, Any] = {}  # handlers, to be restored
        self._kept: dict[int, list[Any]] = {}  # handlers, to be run after the save
        self._received = 0  # a signal's number, on this rank
        self._received_at = 0.0
        self._waited = False  # since the epoch before
        self._agreed: AgreedMaximum

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Install the handlers, and move behind all other callbacks, whose state is saved."""
        trainer.callbacks = [*(c for c in trainer.callbacks if c is not self), self]  # type: ignore[attr-defined]
        self._received, self._waited, self._agreed = 0, False, AgreedMaximum()
        if threading.current_thread() is not threading.main_thread():
            rank_zero_warn("SaveOnSignal: this fit does not run in the main thread, where alone signals are handled")
            return
        self._process = os.getpid()
        self._kept = {number: handlers_to_keep(number) for number in self.signals}
        for number, kept in self._kept.items():
            if not {signal.SIG_IGN, None} & {*kept}:  # e.g. SIGINT of a process in the background; None: not Python's
                self._before[number] = signal.signal(number, self._receive)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and exit after a signal, if this batch is one that a run can go on from."""
        if self._agreed.exchange(self._received) and is_resumable(trainer):
            self._stop(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note whether a signal waits since the last epoch."""
        self._waited = self._agreed.value > 0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save and exit after an epoch in which no batch was one to go on from, as where an epoch is one batch."""
        if self._waited:
            self._stop(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save and exit, if the run has ended before it could stop; else restore the handlers."""
        if self._agreed.settle(self._received):
            self._stop(trainer)
        self._restore()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore the handlers; Lightning ends a run that gets a SIGTERM before it trains, but with exit code 0."""
        self._restore()
        if is_instance(exception, "utilities.exceptions.SIGTERMException"):
            exception.code = EXIT_CODE + signal.SIGTERM  # type: ignore[attr-defined]  # a SystemExit

    def _receive(self, number: int, frame: Any) -> None:
        """Note a signal; the second one, if no launcher has repeated the first, stops at once."""
        if os.getpid() != self._process:
            return  # a worker of a DataLoader, forked from this process
        first, self._received = not self._received, self._received or number
        if first:
            self._received_at = time.monotonic()
            if hasattr(signal, "SIGCHLD"):  # workers that the same signal has ended are no error
                self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        elif number == self._received and time.monotonic() - self._received_at > REPEATED:
            raise SystemExit(EXIT_CODE + number)

    def _stop(self, trainer: Trainer) -> None:
        """Save, run the handlers that were there before, and exit."""
        number = self._agreed.value
        path = path_of_last(trainer)
        trainer.save_checkpoint(path)
        self._restore()
        for handler in filter(callable, self._kept.get(number, ())):
            handler(number, None)
        if trainer.is_global_zero:
            name, step = signal.Signals(number).name, trainer.global_step
            print(f"{name}: saved after step {step}; resume with ckpt_path={path}", file=sys.stderr, flush=True)
        raise SystemExit(EXIT_CODE + number)

    def _restore(self) -> None:
        """Restore the handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


def read_signals(names: Sequence[str]) -> list[signal.Signals]:
    """Return the signals of some names, without those that this system lacks.

    Raises:
        ConfigError: for a name that is no signal, or a signal that no process can handle.

    Example:
        >>> read_signals(["SIGTERM", "SIGUSR1"])
        [<Signals.SIGTERM: 15>, <Signals.SIGUSR1: 10>]
        >>> read_signals(["SIGTREM"])
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: signals='SIGTREM': no signal that a process can handle; did you mean 'SIGTERM'?
    """
    known = {*signal.Signals.__members__, "SIGUSR1", "SIGUSR2"} - {"SIGKILL", "SIGSTOP"}
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise ConfigError(wrong("signals", names, "must be a list of names, e.g. [SIGTERM, SIGUSR1]"))
    problems = [
        wrong("signals", name, "no signal that a process can handle" + did_you_mean(str(name), known))
        for name in names
        if name not in known
    ]
    if problems:
        raise ConfigError(*problems)
    return [signal.Signals[name] for name in names if name in signal.Signals.__members__]

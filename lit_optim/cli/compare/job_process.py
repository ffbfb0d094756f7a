"""What happens in the processes that run the jobs of a comparison: marks, errors, and the end with their parent."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lit_optim.config.hydra_main import output_dir, without_null
from lit_optim.errors import config_error_in
from lit_optim.study.plan import ERROR, RECORD, RUNNING

JOBS = "LIT_OPTIM_JOBS"  # of the environment: the file that holds a batch
WATCH_SECONDS = 0.5
NO_RECORD = (
    "NoRecord: the run has ended without a record; its module needs lit_optim.ConfigureOptimizersMixin, and the app "
    "`optim_callbacks` with record"
)


class Attempt(NamedTuple):
    """One try to run jobs; another one ends it.

    Args:
        file: holds `token` until another attempt begins.
        token: by chance.
        group: of the multirun's processes.
    """

    file: str
    token: str
    group: int

    def has_ended(self) -> bool:
        """Return whether another attempt has begun."""
        for _ in range(3):  # a network file system may miss the file for a moment
            with contextlib.suppress(OSError):
                return Path(self.file).read_text(encoding="utf-8") != self.token
            time.sleep(WATCH_SECONDS)
        return True


@dataclass(frozen=True)
class Batch:
    """The jobs of one multirun.

    Args:
        attempt: that runs them.
        jobs: the overrides of each, by its folder.
    """

    attempt: Attempt
    jobs: dict[str, list[str]]

    @staticmethod
    def of_environment() -> Batch:
        """Read the batch that this process has been started for."""
        given = json.loads(Path(os.environ[JOBS]).read_text(encoding="utf-8"))
        return Batch(Attempt(given["attempt"], given["token"], os.getpgrp()), given["jobs"])

    def guarded(self, task: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return what a launcher runs in place of the app's function, perhaps in another process."""
        return functools.partial(run_job, task, self.attempt)

    def watch(self) -> None:
        """End this process when its parent does, or another attempt begins."""
        watch(self.attempt)

    @staticmethod
    def without_null(words: list[str], options: Callable[[str], Sequence[str]]) -> list[str]:
        """Write ``~group`` for ``group=null``, as `lit_optim.hydra_main` does on the command line."""
        keys = {word.removesuffix("=null") for word in words if word.endswith("=null")}
        groups = [key for key in keys if options(key)]
        return without_null(words, groups) if groups else words


def run_job(task: Callable[[Any], Any], attempt: Attempt, cfg: Any) -> Any:
    """Run the app's function; whatever ends it is written into the folder of the job, and the next one runs.

    Args:
        task: the app's function.
        attempt: that this job belongs to.
        cfg: the app's config.
    """
    folder = Path(output_dir())
    with marked_as_running(folder):
        if attempt.has_ended():  # a cluster's queue has held this job for too long
            return None
        with watched(attempt):
            try:
                result = task(cfg)
            except BaseException as error:
                if was_interrupted(error):
                    raise
                if not (isinstance(error, SystemExit) and error.code in (0, None)):
                    write_error(folder, error)
                return None
            if not (folder / RECORD / "run.json").exists():
                (folder / ERROR).write_text(NO_RECORD + "\n", encoding="utf-8")
            return result


def was_interrupted(error: BaseException) -> bool:
    """Return whether a signal has ended a run, which is no result.

    Example:
        >>> was_interrupted(KeyboardInterrupt()), was_interrupted(SystemExit(143)), was_interrupted(SystemExit(2))
        (True, True, False)
    """
    if isinstance(error, SystemExit):  # Lightning's Trainer exits with 1 from within a KeyboardInterrupt
        by_code = isinstance(error.code, int) and error.code > 128
        return by_code or isinstance(error.__context__, KeyboardInterrupt)
    return isinstance(error, KeyboardInterrupt)


def write_error(folder: str | Path, error: BaseException) -> None:
    """Write what has ended a run: type and message, then the traceback."""
    cause = config_error_in(error) or (error.__context__ if isinstance(error, SystemExit) else error) or error
    cause = config_error_in(cause) or cause
    lines = "".join(traceback.format_exception(cause))
    head = f"{type(cause).__name__}: {cause}".strip()
    path = Path(folder, ERROR)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(f"{head}\n\n{lines}", encoding="utf-8")


@contextlib.contextmanager
def marked_as_running(folder: Path) -> Iterator[None]:
    """Leave a locked file in the folder of a job until it ends; after a sudden end the file is there without a lock."""
    folder.mkdir(parents=True, exist_ok=True)
    file = _locked(folder / RUNNING)
    try:
        os.write(file, f"{os.getpid()} on {os.uname().nodename}\n".encode())
        yield
    finally:
        (folder / RUNNING).unlink(missing_ok=True)
        os.close(file)


def is_running(folder: Path) -> bool:
    """Return whether a process, here or on another machine, runs the job of a folder."""
    try:
        file = os.open(folder / RUNNING, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _lock(file, wait=False)
    finally:
        os.close(file)


def _locked(path: Path) -> int:
    """Make a file and lock it; again where its holder, for whose end this has waited, has removed it by then."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT)
        _lock(file)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        os.close(file)


def _lock(file: int, *, wait: bool = True) -> bool:
    import fcntl

    try:
        fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks
        return True
    return True


@contextlib.contextmanager
def watched(attempt: Attempt) -> Iterator[None]:
    """Watch within a block."""
    stop = watch(attempt)
    try:
        yield
    finally:
        stop.set()


def watch(attempt: Attempt) -> threading.Event:
    """Kill this process, in a thread, when its parent is gone or another attempt begins, until the event is set."""
    stop, parent = threading.Event(), os.getppid()

    def look() -> None:
        while not stop.wait(WATCH_SECONDS):
            if os.getppid() != parent or attempt.has_ended():
                _die(attempt.group)

    threading.Thread(target=look, daemon=True, name="lit_optim.compare").start()
    return stop


def _die(multirun: int) -> None:
    """Kill this process, and its group if that is the multirun's or was made for this process."""
    if os.getpgrp() in (os.getpid(), multirun):
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)

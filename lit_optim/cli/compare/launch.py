"""Runs the jobs of a comparison in one multirun of the user's app, and again what a sudden end has left."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lit_optim.cli.compare.contenders import quoted_path
from lit_optim.cli.compare.job_process import JOBS, is_running
from lit_optim.config.sweep import COMPARE
from lit_optim.errors import ConfigError
from lit_optim.study.plan import ERROR, JOB, RECORD, RUNNING, Job, as_json, replace_text

LOG = "compare.log"
POLL_SECONDS = 0.5
STOP_SECONDS = 10.0  # for what is asked to end
FREE_SECONDS = 60.0  # for jobs of an earlier attempt, perhaps on another machine


def run_jobs(
    script: Path, folder: Path, jobs: Sequence[Job], overrides: Sequence[str], *, on_poll: Callable[[], None]
) -> None:
    """Run jobs of a Hydra app through the launcher that the overrides choose, and return when all are over.

    A job that fails is a result, with the reason in its ``error.txt``, and the others run on. When the multirun itself
    dies, the job that ran gets an ``error.txt``; where several ran at once, each of them runs again, alone.

    Args:
        script: of the app.
        folder: of the comparison, which this process has claimed.
        jobs: whose folders are emptied first.
        overrides: which start the app without a job, ``hydra/launcher=joblib`` among them; each job has all of its own.
        on_poll: called about twice a second.

    Raises:
        ConfigError: if the app ends before its first job.
    """
    folder = folder.absolute()
    queue = [[*jobs]] if jobs else []
    while queue:
        batch = queue.pop(0)
        code = _run_batch(script.absolute(), folder, batch, overrides, on_poll)
        left = [job for job in batch if not _is_over(folder / job.folder)]
        died = [job for job in left if (folder / job.folder / RUNNING).exists()]
        unbegun = [job for job in left if job not in died]
        if left == unbegun and len(left) == len(batch):
            raise ConfigError(_not_begun(script, folder, code))
        if len(died) == 1:
            alone = folder / died.pop().folder
            (alone / ERROR).write_text(died_message(code) + "\n", encoding="utf-8")
            (alone / RUNNING).unlink()
        queue = [*([unbegun] if unbegun else []), *queue, *([job] for job in died)]


def child_command(script: Path, folder: Path, overrides: Sequence[str]) -> list[str]:
    """Return the command of a multirun whose jobs come from a file.

    Example:
        >>> child_command(Path("train.py"), Path("/tmp/it's"), ["hydra/launcher=joblib"])[1:4]
        ['train.py', '--multirun', 'hydra/sweeper=lit_optim_jobs']
    """
    sweep = f"hydra.sweep.dir={quoted_path(str(folder))}"
    ours = ["hydra/sweeper=lit_optim_jobs", f"hydra.sweeper._target_={COMPARE}", sweep]
    return [sys.executable, str(script), "--multirun", *ours, *overrides]


def job_words(job: Job) -> list[str]:
    """Return the overrides of a job, with its folder."""
    return [*job.overrides, f"hydra.sweep.subdir={quoted_path(job.folder)}"]


def died_message(code: int) -> str:
    """Say how a process has ended.

    Example:
        >>> died_message(-9)
        'ProcessDied: SIGKILL has ended the process of the run: out of memory, or killed from outside; see compare.log'
        >>> died_message(1)
        'ProcessDied: the process of the run has ended suddenly; see compare.log'
    """
    if code >= 0:
        return f"ProcessDied: the process of the run has ended suddenly; see {LOG}"
    known = {signal.SIGKILL: "out of memory, or killed from outside", signal.SIGSEGV: "a crash in compiled code"}
    why = known.get(signal.Signals(-code), "from outside, or by itself")
    return f"ProcessDied: {signal.Signals(-code).name} has ended the process of the run: {why}; see {LOG}"


def _run_batch(
    script: Path, folder: Path, batch: Sequence[Job], overrides: Sequence[str], on_poll: Callable[[], None]
) -> int:
    """Run one multirun to its end, and return its exit code; it ends with this process."""
    attempt, token, file = folder / ".attempt", secrets.token_hex(8), folder / ".jobs.json"
    replace_text(attempt, token)  # ends what is left of an earlier one
    _wait_until_free(folder, batch, on_poll)
    for job in batch:
        _prepare(folder / job.folder, job)
    words = {str(folder / job.folder): job_words(job) for job in batch}
    replace_text(file, json.dumps({"attempt": str(attempt), "token": token, "jobs": words}))
    path = os.pathsep.join([str(script.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    with (folder / LOG).open("ab") as log:
        child = subprocess.Popen(
            child_command(script, folder, overrides),
            env={**os.environ, JOBS: str(file), "PYTHONPATH": path},  # some launchers lack the script's folder
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            for _ in _polls(on_poll):
                if child.poll() is not None and not any(is_running(folder / job.folder) for job in batch):
                    return child.returncode
        finally:
            _stop(child)
    raise AssertionError


def _polls(on_poll: Callable[[], None]) -> Iterator[float]:
    started = time.monotonic()
    while True:
        yield time.monotonic() - started
        on_poll()
        time.sleep(POLL_SECONDS)


def _wait_until_free(folder: Path, batch: Sequence[Job], on_poll: Callable[[], None]) -> None:
    for seconds in _polls(on_poll):
        running = [folder / job.folder for job in batch if is_running(folder / job.folder)]
        if not running:
            return
        if seconds > FREE_SECONDS:
            holder = (running[0] / RUNNING).read_text(encoding="utf-8").strip()
            raise ConfigError(f"{running[0]}: an earlier attempt still runs there (process {holder}); end it first")


def _prepare(folder: Path, job: Job) -> None:
    """Empty the folder of a job, and write down what it is."""
    if folder.exists():
        (folder / RECORD / "run.json").unlink(missing_ok=True)  # first: a kill must not leave half a record
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    replace_text(folder / JOB, as_json(job))


def _is_over(folder: Path) -> bool:
    ended = (folder / RECORD / "run.json").exists() and not (folder / RUNNING).exists()
    return ended or (folder / ERROR).exists()


def _not_begun(script: Path, folder: Path, code: int) -> str:
    said = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-6:]
    said = said[-1:] if "Traceback" in "".join(said) or "  File " in "".join(said) else said
    return f"{script}: ended (exit code {code}) before its first job; {LOG} in {folder} ends:\n" + "\n".join(said)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End a multirun and the processes that it has started."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if child.poll() is not None and number == signal.SIGINT:
            continue
        try:
            os.killpg(child.pid, number)
            child.wait(STOP_SECONDS)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue

"""Failures of the machine have one line: what, where, and what to do."""

import errno
import os
import re
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger
from torch.multiprocessing import ProcessExitedException

from _support.net import fit
from lit_optim import ConfigError, exit_on_config_error
from lit_optim.errors.failures import exit_code_of_ranks, failure_message

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
LOST = "another process of this run has ended or does not answer"
KILLED = ProcessExitedException("process 1 terminated with signal SIGKILL", 1, 7, exit_code=-9, signal_name="SIGKILL")
STOPPED = ProcessExitedException("process 0 terminated with exit code 143", 0, 7, exit_code=143)


@pytest.mark.parametrize(
    ("error", "start"),
    [
        (FULL, "No space left on device; free some space"),
        (
            PermissionError(errno.EACCES, "Permission denied", "logs/a.csv"),
            "logs/a.csv: Permission denied; make it acc",
        ),
        (OSError(errno.EIO, "Input/output error", "a.csv"), "a.csv: Input/output error"),
        (RuntimeError("Missing folder: logs/csv."), "logs/csv: No such file or directory; is the path right"),
        (KILLED, f"{LOST} (process 1 terminated with signal SIGKILL); it was killed, "),
        (
            RuntimeError("[/gloo/tcp/pair.cc:5] Read error:\nConnection reset by peer"),
            f"{LOST} ([/gloo/tcp/pair.cc:5] Read ",
        ),
        (torch.distributed.DistBackendError("watchdog"), f"{LOST} (watchdog); "),
        (
            RuntimeError("DataLoader worker (pid 5) is killed by signal: Killed."),
            f"{LOST} (DataLoader worker (pid 5) is ",
        ),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ""),
        (OSError("a library's own words"), ""),
        (ValueError("gloo"), ""),
    ],
    ids=repr,
)
def test_messages(error, start):
    message = failure_message(error)
    assert message.startswith(start)
    assert bool(message) == bool(start)
    assert "\n" not in message


def outcome(capsys, error):
    @exit_on_config_error
    def main():
        raise error

    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code, capsys.readouterr().err


def test_an_app_prints_one_line_with_the_place_and_exits_1(capsys):
    code, printed = outcome(capsys, FULL)
    assert code == 1
    assert re.fullmatch(r"No space left on device; free some space \(\S+test_failures\.py:\d+\)\n", printed)


def test_an_app_whose_rank_was_stopped_by_a_signal_has_its_exit_code_and_adds_no_word(capsys):
    assert outcome(capsys, STOPPED) == (143, "")
    assert outcome(capsys, KILLED)[0] == 1
    assert exit_code_of_ranks(SimpleNamespace(exit_code=143)) is None


def test_other_errors_and_exits_pass(capsys):
    error = ValueError("a bug")
    with pytest.raises(ValueError, match="a bug"):
        exit_on_config_error(lambda: (_ for _ in ()).throw(error))()
    assert outcome(capsys, SystemExit(143)) == (143, "")


class FinalizeFails(CSVLogger):
    """As a logger whose folder is gone, which Lightning closes before it passes on the error of the run."""

    def finalize(self, status):
        raise AttributeError("no file is open")


@pytest.mark.parametrize(
    ("first", "code", "words"),
    [
        (ConfigError("optimizer.lr=-1: must not be negative"), 2, "optimizer.lr=-1: must not be negative\n"),
        (FileNotFoundError(2, "No such file or directory", "metrics.csv"), 1, "metrics.csv: No such file or directory"),
    ],
)
def test_the_error_of_the_run_is_said_where_the_logger_fails_too(tmp_path, capsys, first, code, words):
    class Fails(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            raise first

    @exit_on_config_error
    def main():
        fit(tmp_path, callbacks=[Fails()], logger=FinalizeFails(tmp_path))

    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    assert capsys.readouterr().err.splitlines()[-1].startswith(words.rstrip("\n"))

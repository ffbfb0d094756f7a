"""What fails on the machine ends the example app with one message, at the latest at the next step."""

import os
import re
from pathlib import Path

import pytest

from _support.app_process import train
from lit_optim import claim_folder

SHORT = (
    "model=mlp",
    "+trainer.limit_train_batches=4",
    "trainer.max_epochs=4",
    "logger=csv",
    "trainer.log_every_n_steps=1",
)
GONE = "another process of this run has ended or does not answer ("


def fault(tmp_path, name, *arguments):
    """The app with one of the callbacks that break something."""
    return train(tmp_path, *SHORT, f"+callbacks.fault._target_=_support.app_faults.{name}", *arguments)


def one_line(outcome):
    """What was printed, without the warnings that torch's processes log."""
    lines = [line for line in outcome.err.splitlines() if "torch/multiprocessing" not in line]
    assert len(lines) == 1, outcome.err
    return lines[0]


def test_a_log_that_is_deleted(tmp_path):
    outcome = fault(tmp_path, "DeleteLog")
    assert outcome.code == 1
    words = r"/csv(/metrics.csv)?: No such file or directory; is the path right, or was it deleted"  # by its version
    assert re.search(words, one_line(outcome))


def test_a_disk_that_is_full_while_logging(tmp_path):
    outcome = fault(tmp_path, "FillDisk")
    assert outcome.code == 1
    assert one_line(outcome).startswith("No space left on device; free some space (")


def test_a_second_run_in_one_folder(tmp_path):
    claim_folder(tmp_path / "run")
    outcome = train(tmp_path, *SHORT, f"output_dir={tmp_path / 'run'}")
    assert outcome.code == 2
    assert "output_dir=" in one_line(outcome)
    assert "another run is writing there (process " in one_line(outcome)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trainer", "name", "code", "saved"), [("cpu", "SIGTERM", 143, 5), ("ddp_fork", "SIGUSR1", 138, 6)]
)
def test_a_signal(tmp_path, trainer, name, code, saved):
    outcome = fault(
        tmp_path, "SendSignal", f"+callbacks.fault.name={name}", f"trainer={trainer}", f"output_dir={tmp_path}"
    )
    path = f"{tmp_path}/checkpoints/last.ckpt"
    assert one_line(outcome) == f"{name}: saved after step {saved}; resume with ckpt_path={path}"
    assert outcome.code == code
    assert train(tmp_path, *SHORT, f"trainer={trainer}", f"ckpt_path={path}").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["ddp_fork", "ddp"])
def test_a_killed_rank_ends_the_job(tmp_path, trainer, monkeypatch):
    monkeypatch.setenv(
        "PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep
    )  # for the ranks that are started
    arguments = ("+callbacks.fault.name=SIGKILL", f"trainer={trainer}", "trainer.accelerator=cpu")
    outcome = fault(tmp_path, "SendSignal", *arguments)
    lightnings = "terminated with code -9. Forcefully terminating all other processes"  # looked for every 5 seconds
    assert outcome.code in (1, -9)
    assert GONE in outcome.err or lightnings in outcome.err
    assert "Traceback" not in outcome.err
    assert len(outcome.err.splitlines()) <= 25

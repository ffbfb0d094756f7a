"""Real processes that are killed, and a sweep: each run has its own record, readable at any moment."""

import multiprocessing
import os
import random
import signal
import time

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

from _support.app_process import train
from _support.child_process import in_child
from _support.net import fit
from _support.recorded_runs import recorded, without_times
from _support.signalled import SignalledNet
from lit_optim import SafeCheckpointIO
from lit_optim.study.record_files import read_record, read_records

pytestmark = pytest.mark.slow
LAST = {"filename": "last", "enable_version_counter": False, "every_n_train_steps": 1}


def run(folder, every=5, epochs=3, ckpt_path=None, at=None, moment="training"):
    module = recorded(SignalledNet, every, scheduler="warmup_cosine")
    module.at, module.moment, module.signals = at, moment, (signal.SIGKILL,)
    options = {"callbacks": [ModelCheckpoint(folder, **LAST)], "plugins": [SafeCheckpointIO()], "max_epochs": epochs}
    fit(folder, module, ckpt_path=ckpt_path, **options)


@pytest.mark.filterwarnings("ignore:this checkpoint was written at the last batch:UserWarning")
@pytest.mark.parametrize(("at", "moment"), [(3, "training"), (13, "training"), (16, "validation")])
def test_a_killed_run_is_readable_and_goes_on_to_the_same_files(tmp_path, at, moment):
    run(tmp_path / "whole")
    code, _, failure = in_child(lambda send: run(tmp_path / "killed", at=at, moment=moment))
    assert code == -signal.SIGKILL, failure
    found = read_record(tmp_path / "killed" / "record")
    assert found.run["outcome"] == "running"
    assert [row.step for row in found.steps] == [*range(5, at + 1, 5)]
    run(tmp_path / "killed", ckpt_path=tmp_path / "killed" / "last.ckpt")
    whole, killed = without_times(tmp_path / "whole"), without_times(tmp_path / "killed")
    assert killed["run.json"].pop("resumed_at") == [at]
    del whole["run.json"]["resumed_at"]
    if moment == "validation":  # Lightning from 2.5 on does not run it again, as a warning says
        assert [row["step"] for row in killed.pop("metrics.csv")] in (["8", "24"], ["8", "16", "24"])
        del whole["metrics.csv"]
    assert killed == whole


def test_kills_at_random_moments_leave_readable_files(tmp_path):
    """A row at every step, so that many a moment lies within a write."""
    choose, last = random.Random(5), 0
    for _ in range(8):
        checkpoint = tmp_path / "last.ckpt"
        path = checkpoint if checkpoint.exists() else None
        process = multiprocessing.get_context("fork").Process(target=run, args=(tmp_path, 1, 1000, path))
        process.start()
        rows, limit = tmp_path / "record" / "steps.csv", time.monotonic() + 60
        while time.monotonic() < limit and (not rows.exists() or rows.read_bytes().count(b"\n") < last + 3):
            time.sleep(0.01)
        time.sleep(choose.uniform(0, 0.05))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        steps = [row.step for row in read_record(tmp_path / "record").steps]
        assert steps == [*range(1, len(steps) + 1)]
        assert len(steps) > last
        last = len(steps)
        assert {file.name for file in (tmp_path / "record").iterdir()} <= {"run.json", "steps.csv", "metrics.csv", ".run.json.tmp", ".steps.csv.tmp"}  # fmt: skip


def test_each_job_of_a_sweep_has_its_own_record(tmp_path):
    short = (
        "model=mlp",
        "trainer=cpu",
        "trainer.max_epochs=1",
        "+trainer.limit_train_batches=4",
        "callbacks=none",
        "logger=null",
    )
    words = ("optim_callbacks=record", "optim_callbacks.record.every_n_steps=2")
    outcome = train(tmp_path, "-m", *short, *words, "optimizer=sgd,adamw", "optimizer.lr=0.01")
    assert outcome.code == 0, outcome.err
    runs = read_records(tmp_path)
    assert [run.folder.parent.name for run in runs] == ["0", "1"]
    for found, name, target in zip(runs, ("sgd", "adamw"), ("SGD", "AdamW"), strict=True):
        assert found.run["outcome"] == "finished"
        assert found.run["seed"] == 1
        assert found.run["spec"]["optimizer"]["_target_"] == f"torch.optim.{target}"
        assert found.run["hydra"]["choices"]["optimizer"] == name
        assert f"optimizer={name}" in found.run["hydra"]["overrides"]
        assert "-m" in found.run["command"]
        assert [row.step for row in found.steps] == [2, 4]
        assert {metric.name for metric in found.metrics} == {"val/acc", "val/loss"}

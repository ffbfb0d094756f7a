"""`lit-optim compare` as a command, on the example app: from the declaration to the report, and a second start."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lit_optim
from lit_optim.study.plan import read_plan
from lit_optim.study.results import final_runs_of, read_results, trials_of

ROOT = Path(__file__).resolve().parents[3]
TRAIN = ROOT / "examples/train.py"
SHORT = ("trainer.max_epochs=1", "logger=none", "callbacks=none")


@pytest.fixture
def command(tmp_path):
    """Return a function that starts the command in an empty folder, with the Hydra plugin of this checkout."""
    shutil.copytree(Path(lit_optim.__file__).parent / "_hydra_plugin", tmp_path / "plugin/hydra_plugins/lit_optim")
    path = os.pathsep.join([str(tmp_path / "plugin"), str(ROOT)])
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}

    def start(*words):
        full = [sys.executable, "-m", "lit_optim", "compare", str(TRAIN), *words]
        return subprocess.Popen(
            full, cwd=tmp_path, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            # ignored below a shell's `&`
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - no threads
        )  # fmt: skip

    return start


def times_of(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("record/*")}


@pytest.mark.slow
def test_a_comparison_that_is_interrupted_goes_on_to_its_report(command, tmp_path):
    folder = tmp_path / """a "b", c={d} [1] %x $y it's"""
    options = ("--budget", "3", "--seeds", "3", "--metric", "val/loss", "--dir", folder.name)
    words = ("optimizer=sgd,lookahead", "optim_callbacks.record.diverged_above=1e6", *SHORT, *options)
    with command(*words) as first:
        while first.poll() is None and not [*folder.glob("runs/sgd/trial-01/record/metrics.csv")]:
            time.sleep(0.05)
        first.send_signal(signal.SIGINT)
        _, err = first.communicate(timeout=60)
    assert first.returncode == 130, err
    assert "of 12 runs are over; the same command goes on" in err
    plan = read_plan(folder)
    over = {each.job.folder for each in read_results(folder, plan) if each.outcome == "finished"}
    before = {path: when for path, when in times_of(folder).items() if str(path.parents[1].relative_to(folder)) in over}
    assert before

    out, err = command(*words, "--json").communicate(timeout=300)
    assert json.loads(out)["no_ranking"] == ""
    results = read_results(folder, plan)
    assert {each.outcome for each in results} == {"finished"}
    assert before.items() <= times_of(folder).items()  # what was over did not run again
    for name in ("sgd", "lookahead"):
        assert len(trials_of(results, name)) == 3
        assert sorted(final_runs_of(results, name)) == [2, 3, 4]
        best = min(trials_of(results, name), key=lambda each: each.score)
        assert all(each.job.values == best.job.values for each in final_runs_of(results, name).values())
    assert all(each.record.run["seed"] == each.job.seed for each in results)
    assert {each.record.run["diverged_above"] for each in results} == {1e6}  # a key that the app alone has not
    assert (folder / "report/index.html").exists()
    with (folder / "report/runs.csv").open(newline="") as file:
        scores = {row["folder"]: float(row["score"]) for row in csv.DictReader(file)}
    assert scores == {each.job.folder: each.score for each in results}


@pytest.mark.slow
def test_a_dry_run_starts_no_run_of_the_comparison(command, tmp_path):
    out, _ = command("optimizer=sgd,adamw", *SHORT, "--dry-run", "--json").communicate(timeout=120)
    found = json.loads(out)
    assert (found["runs"], found["parallel"]) == (40, 1)
    source = found["cost"]["source"]
    around, imports = (float(re.search(rf"([\d.]+) s {word}", source)[1]) for word in ("around", "of imports"))
    assert found["cost"]["seconds"] > 30 * around + 3 * imports, source  # 40 runs in 4 rounds
    assert imports > 0
    assert not (tmp_path / "compare").exists()

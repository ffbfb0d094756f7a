"""The rounds of a comparison with folders, without the processes: what a first run shows, and what is on the screen."""

import argparse
import contextlib
import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from lit_optim.cli import compare
from lit_optim.cli.compare import run_comparison as module
from lit_optim.cli.compare.cost import cost_of_runs, probe
from lit_optim.cli.compare.live_progress import LiveProgress
from lit_optim.cli.compare.run_comparison import run_comparison
from lit_optim.errors import ConfigError
from lit_optim.study.plan import ComparisonPlan, Contender, as_json
from lit_optim.study.results import read_results

A, B, C = (Contender(name, (f"optimizer={name}",), "lr log 1e-4..1") for name in "abc")
PLAN = ComparisonPlan("train.py", (), (A, B, C), "val/loss", "min", budget=5, seeds=(2, 3))
APP = SimpleNamespace(
    script=Path("train.py"), overrides=("data=small", "optimizer.eps=1", "hydra/launcher=joblib"),
    own_overrides=["data=small", "hydra/launcher=joblib"], prefix="", seed_key="seed", parallel=2, starts_once=True,
)  # fmt: skip


def write_run(folder, job, metrics, outcome="finished", error=""):
    """The files of a run, as its processes leave them."""
    path = folder / job.folder
    (path / "record").mkdir(parents=True, exist_ok=True)
    (path / "job.json").write_text(as_json(job))
    if error:
        (path / "error.txt").write_text(f"{error}\nTraceback")
        return
    run = {"format": 1, "outcome": outcome, "measured": {"seconds": 10.0}}
    (path / "record/run.json").write_text(json.dumps(run))
    (path / "record/steps.csv").write_text("step,epoch,seconds,loss,grad_norm,update_norm\n")
    with (path / "record/metrics.csv").open("w", newline="") as file:
        rows = [["step", "epoch", "seconds", "name", "value"], *([9, 0, 1.0, *each] for each in metrics.items())]
        csv.writer(file, lineterminator="\n").writerows(rows)


@pytest.fixture
def launched(tmp_path, monkeypatch):
    """Replace the launcher: what a contender logs, an error as text, or an exception that is raised."""

    def prepare(**behaviour):
        rounds = []

        def run_jobs(script, folder, jobs, overrides, *, on_poll):
            rounds.append([job.folder for job in jobs])
            assert (script, overrides) == (APP.script, APP.own_overrides)
            for job in jobs:
                assert job.overrides[:3] == ("data=small", "optimizer.eps=1", f"optimizer={job.contender}")
                found = behaviour.get(job.contender, {"val/loss": job.values["lr"]})
                if isinstance(found, BaseException):
                    raise found
                write_run(
                    folder, job, {} if isinstance(found, str) else found, error=found if isinstance(found, str) else ""
                )
                on_poll()

        monkeypatch.setattr(module, "run_jobs", run_jobs)
        return rounds

    return prepare


def test_a_whole_comparison_and_one_that_goes_on(launched, tmp_path, capsys):
    rounds = launched()
    results = run_comparison(PLAN, APP, tmp_path)
    assert [len(each) for each in rounds] == [1, 11, 3, 6]
    assert len(results) == 21
    assert {each.outcome for each in results} == {"finished"}
    rounds.clear()
    assert run_comparison(PLAN, APP, tmp_path) == results
    assert rounds == []
    (tmp_path / "runs/b/seed-1/record/run.json").unlink()  # as of a killed run
    run_comparison(PLAN, APP, tmp_path)
    assert rounds == [["runs/b/seed-1"]]
    assert "20 of 21 runs over" in capsys.readouterr().err


MISSING = "val/loss: runs/a/trial-00 has not logged it"


@pytest.mark.parametrize(
    ("behaviour", "plan", "message", "runs"),
    [
        ({"a": {"val/los": 1.0}}, PLAN, f"{MISSING}; did you mean 'val/los'? Logged: val/los", 1),
        ({"a": {}}, PLAN, f"{MISSING}; write --metric NAME. Logged: none", 1),
        (
            {"a": {"val/loss": 1.0, "x": 2.0}},
            replace(PLAN, test_metric="test/acc"),
            "test/acc: runs/a/trial-00 has not",
            1,
        ),
        ({"a": "NoRecord: no mixin"}, PLAN, "the first run failed: NoRecord: no mixin; more in", 1),
        (dict.fromkeys("abc", "OSError: no data"), PLAN, "the first run failed: OSError: no data", 2),
        ({"a": "Error: 1", "b": "Error: 2", "c": "Error: 3"}, PLAN, "the first run failed: Error: 3", 3),
        ({"a": "Error: 1"}, replace(PLAN, contenders=(A,)), "the first run failed: Error: 1", 1),
    ],
)
def test_what_the_first_runs_show(behaviour, plan, message, runs, launched, tmp_path):
    rounds = launched(**behaviour)
    with pytest.raises(ConfigError) as error:
        run_comparison(plan, APP, tmp_path)
    assert str(error.value).startswith(message)
    assert sum(map(len, rounds)) == runs


def test_an_optimizer_that_cannot_train_the_module_is_a_result(launched, tmp_path):
    rounds = launched(a="ConfigError: optimizer: Muon takes 2-D parameters only")
    results = run_comparison(PLAN, APP, tmp_path)
    assert rounds[:2] == [["runs/a/trial-00"], ["runs/b/trial-00"]]
    assert [each.outcome for each in results].count("crashed") == 5
    assert {each.job.contender for each in results if each.job.kind == "seed"} == {"b", "c"}


def test_a_launcher_without_progress_is_an_error(launched, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "run_jobs", lambda *_, **__: None)
    with pytest.raises(ConfigError, match=r"no run came to its end; compare\.log there says why"):
        run_comparison(PLAN, APP, tmp_path)
    launched(a=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run_comparison(PLAN, APP, tmp_path)


def test_progress_in_lines(tmp_path, capsys):
    now = [0.0]
    plan = replace(PLAN, contenders=(A,), seeds=())
    jobs = module.next_jobs(replace(plan, search="grid"), [])
    with LiveProgress(plan, tmp_path, clock=lambda: now[0]) as progress:
        progress.begin([], jobs)
        write_run(tmp_path, jobs[0], {"val/loss": 0.25})
        for now[0] in (0.5, 30.0, 31.0):
            progress.poll()
    assert capsys.readouterr().err.splitlines() == [
        "0 of 5 runs over",
        "1 of 5 runs over, about 2 min left; best val/loss so far: a 0.25",  # 4 more of 30 s
    ]


def test_the_cost_of_what_is_left(launched, tmp_path):
    launched()
    assert cost_of_runs(PLAN, [], 2).seconds is None
    run_comparison(replace(PLAN, seeds=()), APP, tmp_path)
    results = read_results(tmp_path, PLAN)
    assert cost_of_runs(PLAN, results, 2).seconds == 6 * 10.0 / 2
    assert not math.isnan(results[0].score)
    (tmp_path / "runs/a/trial-00/record/run.json").write_text('{"format": 1, "outcome": "finished"}')
    assert cost_of_runs(PLAN, read_results(tmp_path, PLAN), 2).source.startswith("from 14 finished runs")


@pytest.fixture
def probed(monkeypatch):
    """A process of 10 s, of which 2.5 s are imports and 3 s are 6 steps of 0.5 s, out of 200."""

    def fake(command, **_):
        now[0] += 10.0
        folder = Path(next(word for word in command if ".record.folder=" in word).partition("=")[2])
        folder.mkdir(parents=True)
        count = len(record.get("optimizers", [1]))
        run = {"measured": {"step_seconds": {"median": 0.5}}, "steps": 6 * count, "total_steps": 200 * count}
        (folder / "run.json").write_text(json.dumps({**run, **record}))
        return SimpleNamespace(stderr=f"{errors[0]}{IMPORTS}", stdout="of the app")

    now, record, errors = [100.0], dict[str, object](), [""]
    monkeypatch.setattr("subprocess.run", fake)
    monkeypatch.setattr("lit_optim.cli.compare.cost.time", SimpleNamespace(monotonic=lambda: now[0]))
    return record, errors


IMPORTS = """import time: self [us] | cumulative | imported package
import time:    500000 |     500000 |   torch
import time:   2000000 |    2500000 | lightning
"""


@pytest.mark.parametrize("optimizers", [["Adam"], ["Adam", "SGD"]])
@pytest.mark.parametrize(
    ("starts_once", "seconds"),
    [
        (True, 1097.25 + 4 * 2.5),  # 21 runs, 2 at a time, of 200 steps in 100 s and 4.5 s around them, in 4 rounds
        (False, 1123.5),  # 21 runs of 107 s
    ],
)
def test_the_cost_by_a_few_steps(starts_once, seconds, optimizers, probed):
    """In a batch, which takes 0.5 s, every optimizer takes one step; 10 s - 2.5 s - 6 * 0.5 s = 4.5 s remain."""
    record, errors = probed
    record["optimizers"], errors[0] = optimizers, "a bar without an end of its line"
    cost = probe(PLAN, SimpleNamespace(**{**vars(APP), "starts_once": starts_once}))
    assert cost.seconds == seconds
    assert cost.source == (
        "estimated from 6 steps of a: 500 ms a step, 200 steps a run, 4.5 s around them, "
        f"2.5 s of imports in each {'round' if starts_once else 'run'}; validation comes on top"
    )


@pytest.mark.parametrize(("error", "said"), [("no data\n", "no data"), ("", "of the app")])
def test_a_few_steps_that_fail_are_no_cost(error, said, probed):
    record, errors = probed
    record["measured"], errors[0] = {}, error
    assert probe(PLAN, APP) == (None, f"30 steps of a failed: {said}")


@pytest.mark.parametrize("ends", [ConfigError("the metric is not logged"), KeyboardInterrupt()])
def test_what_ends_early_leaves_a_report_of_what_there_is(ends, tmp_path, monkeypatch, capsys):
    (job, *_) = module.next_jobs(PLAN, [])
    write_run(tmp_path, job, {"val/loss": 0.25})

    def stopped(*_):
        raise ends

    monkeypatch.setattr(module, "run_comparison", stopped)
    with pytest.raises(ConfigError) if isinstance(ends, ConfigError) else contextlib.nullcontext():
        assert compare._run_and_report(argparse.Namespace(dir=str(tmp_path), json=False), PLAN, APP, tmp_path) == 130
    assert ",0.25," in (tmp_path / "report" / "runs.csv").read_text(encoding="utf-8")
    assert f"what there is so far: {tmp_path}/report/index.html" in capsys.readouterr().err

"""Sweeps: every job is checked before the first one trains."""

import itertools

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from _support.app_process import train
from lit_optim.config.progress import Progress
from lit_optim.config.sweep import MOST_JOBS, choose_jobs, overrides_of, report, report_composing, sweep_values

SHORT = ("trainer.max_epochs=1", "+trainer.limit_train_batches=2", "+trainer.limit_val_batches=1", "logger=csv", "optimized_metric=val/loss")  # fmt: skip


def jobs_of(*overrides):
    return [*choose_jobs(*sweep_values(overrides)).values()]


def test_the_jobs_are_those_of_hydras_own_sweeper():
    assert jobs_of("a=1,2", "b=x", "c=range(0,2)", "a=3,4") == [
        ["a=3", "b=x", "c=0"], ["a=3", "b=x", "c=1"], ["a=4", "b=x", "c=0"], ["a=4", "b=x", "c=1"]
    ]  # fmt: skip
    assert jobs_of("lr=tag(log,interval(0.1,1))", "+x=choice(a,b)") == [
        ["lr=0.1", "+x=a"], ["lr=0.1", "+x=b"], ["lr=1.0", "+x=a"], ["lr=1.0", "+x=b"]
    ]  # fmt: skip
    assert not GlobalHydra.instance().is_initialized()


def test_parameters_of_the_sweeper_come_first():
    config = OmegaConf.create({"hydra": {"sweeper": {"params": {"lr": "1,2"}}, "overrides": {"task": ["seed=1"]}}})
    assert overrides_of(config) == ["lr=1,2", "seed=1"]


LARGE = {"lr": [*map(str, range(20))], "seed": [*map(str, range(10))], "optimizer": [*"abcdefghij"]}  # 2,000 jobs


@pytest.mark.parametrize(("key", "i"), [(key, i) for key, values in LARGE.items() for i in range(len(values))])
def test_a_bad_value_at_any_place_of_a_large_sweep_is_among_the_jobs_that_are_checked(key, i):
    values = {name: list(each) for name, each in LARGE.items()}
    values[key][i] = "bad"
    jobs = choose_jobs(values)
    assert len(jobs) == 20, "as many as the longest list has"
    assert any(f"{key}=bad" in job for job in jobs.values())


def test_every_value_meets_every_combination_of_groups_unless_these_are_too_many():
    jobs = choose_jobs(LARGE, {"optimizer"})
    assert len(jobs) == 200
    assert {(job[0], job[2]) for job in jobs.values()} == {(f"lr={x}", f"optimizer={o}") for x in range(20) for o in "abcdefghij"}  # fmt: skip
    assert len(choose_jobs({**LARGE, "scheduler": [*"abcdefghij"]}, {"optimizer", "scheduler"})) == 20


def test_jobs_have_the_numbers_that_hydra_gives_them():
    every = [list(job) for job in itertools.product(*([f"{key}={v}" for v in each] for key, each in LARGE.items()))]
    jobs = choose_jobs(LARGE, {"optimizer"})
    assert {number: every[number] for number in jobs} == jobs
    assert len(every) == 2000 > MOST_JOBS


def reported(capsys, seconds, total=100):
    """What is reported of a loop, given the time of its start and of each round's end."""
    clock = iter(seconds)
    progress = Progress(total, "jobs checked", lambda: next(clock))
    for _ in range(len(seconds) - 1):
        progress.advance()
    return capsys.readouterr().err.splitlines()


def test_progress_is_reported_after_a_second_at_every_tenth_and_in_between_where_these_take_long(capsys):
    lines = reported(capsys, [i / 10 for i in range(101)])
    assert lines[0] == "10 of 100 jobs checked, about 9 s left"
    assert lines[-1] == "90 of 100 jobs checked, about 1 s left"
    assert len(lines) == 9
    assert reported(capsys, [0, 20, 21, 22]) == ["2 of 100 jobs checked, about 98 s left"], "the first round counts not"
    assert reported(capsys, [0, 0, 29, 58, 87], 1000) == [
        "2 of 1000 jobs checked, about 28942 s left", "4 of 1000 jobs checked, about 28884 s left"
    ]  # fmt: skip
    assert reported(capsys, [0, *[0.9] * 100]) == []


def test_what_hydra_composes_in_silence_is_counted_and_the_loader_left_as_it_was(monkeypatch, capsys):
    class Loader:
        def load_sweep_config(self, number):
            return number

    clock = iter(range(100))
    monkeypatch.setattr(Progress.__init__, "__defaults__", (lambda: next(clock),))
    loader = Loader()
    report_composing(loader, 3)
    assert [loader.load_sweep_config(i) for i in range(3)] == [0, 1, 2]
    assert vars(loader) == {}
    assert capsys.readouterr().err == "2 of 3 jobs of the sweep composed, about 1 s left\n"


def test_a_long_report_is_cut():
    jobs = {i: [f"x={i}"] for i in range(30)}
    lines = report(jobs, {i: (f"optimizer.x={i}: wrong", "all: wrong") for i in range(30)}).splitlines()
    assert lines[0] == "30 of 30 jobs of this sweep cannot run; none was started:"
    assert lines[1:3] == ["  - job 0 (x=0): optimizer.x=0: wrong", "  - job 0 (x=0) and 29 more: all: wrong"]
    assert lines[-1] == "  ... and 11 more"
    assert len(lines) == 22


SWEEPS = [
    (("optimizer.lr=0.1,abc",), 2, "job 1 (optimizer.lr=abc): optimizer.lr='abc': AdamW expects float"),
    (("optimizer=adamw,sgd", "+optimizer.lrr=1"), 2, "job 0 (optimizer=adamw): optimizer.lrr=1: AdamW has no argument 'lrr'"),
    (("optimizer.lr=interval(-1,0.1)",), 2, "job 0 (optimizer.lr=-1.0): optimizer.lr=-1.0: AdamW refused it"),
    (("scheduler=cosine,step", "+scheduler.main.step_size=abc"), 2, "scheduler.main.step_size='abc'"),
    (("+a=range(0,8)", "+b=range(0,8)", "+c=range(0,8)", "optimizer.lr=0.1,-1"), 2, "4 of 8 jobs of this sweep cannot run; none was started:"),
    (("optimizer=adamw,sgd", "optimizer.lr=1,2,-1"), 2, "job 5 (optimizer=sgd optimizer.lr=-1): optimizer.lr=-1.0: SGD refused it"),
    (("+x=1,-1", "optimizer.lr=${x}"), 2, "job 1 (+x=-1): optimizer.lr=-1.0: AdamW refused it"),
    (("optimizer=adamw,adamww",), 2, "job 1 (optimizer=adamww): optimizer=adamww: the group has no such name; did you mean 'adamw'?"),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "code", "message"), SWEEPS, ids=[" ".join(case[0]) for case in SWEEPS])
def test_a_bad_job_stops_the_sweep_before_the_first(tmp_path, overrides, code, message):
    outcome = train(tmp_path, "-m", *SHORT, *overrides)
    assert outcome.code == code, outcome.err
    assert message in outcome.err
    assert "of this sweep cannot run; none was started" in outcome.err
    assert "Traceback" not in outcome.err + outcome.out
    assert len(outcome.err.splitlines()) <= 25
    assert "seed:" not in outcome.out, "no job was started"
    assert not list(tmp_path.rglob("*.ckpt"))
    assert not list(tmp_path.rglob("metrics.csv"))


def test_a_good_sweep_runs(tmp_path):
    of_the_job = ("optimizer.weight_decay=${hydra:job.num}", "callbacks.checkpoint.dirpath=${hydra:runtime.output_dir}")
    outcome = train(tmp_path, "-m", *SHORT, *of_the_job, "optimizer.lr=0.1,0.01")
    assert outcome.code == 0, outcome.err
    assert outcome.out.count("val/loss  ") == 2

"""Sweeps: every job is checked before the first one trains."""

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from _support.app_process import train
from lit_optim.config.sweep import expand, overrides_of, report

SHORT = ("trainer.max_epochs=1", "+trainer.limit_train_batches=2", "+trainer.limit_val_batches=1", "logger=csv", "optimized_metric=val/loss")  # fmt: skip


def test_the_jobs_are_those_of_hydras_own_sweeper():
    assert list(expand(["a=1,2", "b=x", "c=range(0,2)", "a=3,4"])) == [
        ["a=3", "b=x", "c=0"], ["a=3", "b=x", "c=1"], ["a=4", "b=x", "c=0"], ["a=4", "b=x", "c=1"]
    ]  # fmt: skip
    assert list(expand(["lr=tag(log,interval(0.1,1))", "+x=choice(a,b)"])) == [
        ["lr=0.1", "+x=a"], ["lr=0.1", "+x=b"], ["lr=1.0", "+x=a"], ["lr=1.0", "+x=b"]
    ]  # fmt: skip
    assert not GlobalHydra.instance().is_initialized()


def test_parameters_of_the_sweeper_come_first():
    config = OmegaConf.create({"hydra": {"sweeper": {"params": {"lr": "1,2"}}, "overrides": {"task": ["seed=1"]}}})
    assert overrides_of(config) == ["lr=1,2", "seed=1"]


def test_a_large_sweep_is_checked_value_by_value():
    jobs = list(expand(["a=1,2,3", "b=x,y", "c=1"], one_at_a_time=True))
    assert jobs == [["a=1", "b=x", "c=1"], ["a=2", "b=x", "c=1"], ["a=3", "b=x", "c=1"], ["a=1", "b=y", "c=1"]]


def test_a_long_report_is_cut():
    jobs = [[f"x={i}"] for i in range(30)]
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
    (("optimizer.lr=0.1,-1", "seed=range(0,600)"), 2, "optimizer.lr=-1.0: AdamW refused it"),
    (("optimizer=adamw,adamww",), 1, "job 1 (optimizer=adamww): In 'train': Could not find 'optimizer/adamww' Available options in 'optimizer':"),
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

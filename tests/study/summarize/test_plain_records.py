"""Runs that were recorded without a declared comparison."""

from pathlib import Path

import pytest

from lit_optim import ConfigError
from lit_optim.study.record_files import MetricRow, RunRecord
from lit_optim.study.summarize import plan_of_records, summarize
from lit_optim.study.summarize.plain_records import labels_of


def record(folder, optimizer="AdamW", seed=1, lr=0.1, outcome="finished", value=0.5, metric="val/loss", **spec):
    run = {"optimizers": [optimizer], "seed": seed, "outcome": outcome, "spec": {"optimizer": {"lr": lr}, **spec}}
    return RunRecord(Path(folder), run, (), (MetricRow(1, 0, 0.1, metric, value),))


def test_an_optimizer_with_its_settings_is_a_contender():
    records = [record(f"{lr}/{seed}", lr=lr, seed=seed) for lr in (0.1, 0.2) for seed in (1, 2, 3)]
    plan, results, warnings = plan_of_records([*records, record("s", "SGD")], mode="min")
    assert [each.name for each in plan.contenders] == ["AdamW lr=0.1", "AdamW lr=0.2", "SGD"]
    assert [each.job.number for each in results] == [0, 1, 2, 0, 1, 2, 0]
    assert (plan.metric, plan.baseline, warnings) == ("val/loss", "AdamW lr=0.1", [])
    found = summarize(plan, results)
    assert found.no_ranking == "no ranking: no study was declared, so how often each optimizer was tuned is not known"
    assert found.next_steps == ("compare the optimizers with equal tuning: lit-optim compare train.py optimizer=...",)
    assert {each.verdict for each in found.comparisons} == {"not compared"}  # they share one seed


@pytest.mark.parametrize(
    ("callbacks", "labels"),
    [
        (({}, {}), ["Adam", "Adam"]),
        (({"Lookahead": {"k": 5}}, {}), ["Adam+Lookahead", "Adam"]),
        (({"Ema": {"decay": 0.9}}, {"Ema": {"decay": 0.99}}), ["Adam Ema.decay=0.9", "Adam Ema.decay=0.99"]),
        (({"Record": {"n": 5}}, {"Record": {"n": 5}}), ["Adam", "Adam"]),
    ],
)
def test_labels(callbacks, labels):
    runs = [{"optimizers": ["Adam"], "spec": {"optimizer": {"lr": 1}, "optim_callbacks": each}} for each in callbacks]
    assert labels_of(runs) == labels


def test_a_module_without_specs_has_the_name_of_its_class():
    assert labels_of([{"optimizers": ["Adam", "SGD"]}, {}]) == ["Adam+SGD", "optimizer"]


def test_two_runs_of_the_same_seed():
    _, results, warnings = plan_of_records([record("x", value=0.1), record("y", value=0.2)], mode="min")
    assert [each.score for each in results] == [0.2]
    assert warnings == ["AdamW: x and y have the same seed, 1; the second counts"]


def test_runs_that_are_not_over_are_left_out():
    _, results, warnings = plan_of_records([record("x"), record("y", seed=2, outcome="running")], mode="min")
    assert len(results) == 1
    assert warnings == ["y: left out: running"]


@pytest.mark.parametrize(
    ("records", "given", "words"),
    [
        ([record("x", outcome="running")], ("", "min"), "1 runs are recorded, and none is over"),
        ([record("x")], ("", ""), "--mode: missing for val/loss; write --metric val/loss --mode min, or max"),
        (
            [record("x")],
            ("acc", "max"),
            "--metric acc: no run has logged it; logged are: val/loss; write e.g. --metric",
        ),
        ([record("x"), record("y", metric="f1")], ("", "max"), "--metric: missing; logged are: f1, val/loss"),
        ([record("x")._replace(metrics=())], ("", "max"), "no metric was logged; validate, and self.log a metric"),
    ],
)
def test_what_is_missing(records, given, words):
    with pytest.raises(ConfigError) as found:
        plan_of_records(records, *given)
    assert words in str(found.value)

"""Runs that were recorded without a declared comparison."""

import binascii
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


def swept(*words, seed=1, optimizer="Adam", **run):
    spec = {"optimizer": {"lr": 0.1}}
    return {"optimizers": [optimizer], "seed": seed, "spec": spec, "hydra": {"overrides": [*words]}} | run


@pytest.mark.parametrize(
    ("runs", "labels"),
    [
        ([swept("net.width=8"), swept("net.width=512", seed=2)], ["Adam net.width=8", "Adam net.width=512"]),
        ([swept("n=8"), swept()], ["Adam n=8", "Adam"]),
        ([swept("n=8"), swept("++n=8")], ["Adam", "Adam"]),
        ([swept("b=1", "n=8"), swept("n=9", "b=1")], ["Adam n=8", "Adam n=9"]),
        ([swept("~net.dropout"), swept("b=1", "a=1")], ["Adam ~net.dropout", "Adam a=1 b=1"]),
        ([swept("n=8"), swept("n=9", optimizer="SGD")], ["Adam n=8", "SGD n=9"]),
        ([swept("n=8"), {"optimizers": ["Adam"], "spec": {"optimizer": {"lr": 0.1}}}], ["Adam n=8", "Adam"]),
        # the seed, by its name or its value
        ([swept("seed=3"), swept("seed=4")], ["Adam", "Adam"]),
        ([swept("model.seed=3", seed=3), swept("model.seed=4", seed=4), swept(seed=5)], ["Adam"] * 3),
        (
            [swept(f"data.seed={data}", f"seed={seed}", seed=seed) for data in (1, 2) for seed in (1, 2)],
            ["Adam data.seed=1"] * 2 + ["Adam data.seed=2"] * 2,
        ),
        # output
        ([swept("output_dir=a", "trainer.default_root_dir=a"), swept("output_dir=b", "log_dir=c")], ["Adam", "Adam"]),
        ([swept("data.dir=a"), swept("data.dir=b")], ["Adam data.dir=a", "Adam data.dir=b"]),
        # what the spec holds
        ([swept("optimizer=adam", "optimizer.eps=1e-8"), swept("optimizer@model.optimizer=adam")], ["Adam", "Adam"]),
        ([swept("optim_callbacks.record.folder=a"), swept("model/scheduler=wsd")], ["Adam", "Adam"]),
        (
            [swept("optimizer.lr=1", spec=None), swept("optimizer.lr=2", spec=None)],
            ["Adam optimizer.lr=1", "Adam optimizer.lr=2"],
        ),
        ([swept("optimizer.lr=1", spec=None), swept()], ["Adam optimizer.lr=1", "Adam lr=0.1"]),
        (
            [swept("lr=0.1"), swept("lr=0.2", spec={"optimizer": {"lr": 0.2}})],  # optimizer.lr: ${lr}
            ["Adam lr=0.1", "Adam lr=0.2"],
        ),
    ],
)
def test_labels_by_overrides(runs, labels):
    assert labels_of(runs) == labels


def test_long_labels_stay_different():
    """Those of 12 letters a word and 20 words, which differ in the last one; CRC-32 by another library of C."""
    words = [f"key{n:02d}=12345" for n in range(20)]
    labels = labels_of([swept(*words, "z=1"), swept(*words, "z=2"), swept()])
    text = "".join(f" {word}" for word in (*words, "z=1"))
    assert labels[0] == f"Adam{text[:71]}~{binascii.crc32(text.encode()):08x}"
    assert labels[0][:75] == labels[1][:75]
    assert len({*labels}) == 3


def test_runs_of_two_networks_are_neither_averaged_nor_dropped():
    """A sweep net.width=8,512 seed=1,2."""
    runs = [(width, seed) for width in (8, 512) for seed in (1, 2)]
    records = [record(f"{i}", "Adam", seed=seed, value=width + seed) for i, (width, seed) in enumerate(runs)]
    for each, (width, seed) in zip(records, runs, strict=True):
        each.run["hydra"] = {"overrides": [f"net.width={width}", f"seed={seed}"]}
    plan, results, warnings = plan_of_records(records, mode="min")
    assert warnings == []
    found = {each.name: each.mean.center for each in summarize(plan, results).contenders}
    assert found == {"Adam net.width=8": 9.5, "Adam net.width=512": 513.5}

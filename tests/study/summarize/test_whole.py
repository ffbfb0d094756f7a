"""What a summary says of simulated studies, and of studies that are planted by hand."""

import itertools
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from _support.fake_comparison import Fake, write_comparison
from lit_optim.cli.report.markdown import result_table
from lit_optim.cli.report.page.tables import tuning_table
from lit_optim.errors import ConfigError
from lit_optim.study.plan import ComparisonPlan, Contender, Job, read_plan
from lit_optim.study.record_files import RunRecord
from lit_optim.study.results import RunResult, read_results
from lit_optim.study.summarize import join_studies, summarize
from lit_optim.study.summarize.joined import Study
from lit_optim.study.summarize.words import best_values_words

SEEDS = (11, 12, 13, 14, 15)
LRS = (1e-4, 1e-3, 1e-2)


def declared(*names, **settings):
    contenders = tuple(Contender(name, (f"optimizer={name}",), "lr log 1e-4..1e-2") for name in names)
    plan = ComparisonPlan("train.py", (), contenders, "val/acc", "max", budget=3, seeds=SEEDS, baseline=names[0])
    return replace(plan, **settings)


def trials(name, scores=(0.1, 0.3, 0.2), outcome="finished"):
    return [
        RunResult(Job(name, "trial", i, 1, {"lr": lr}), outcome, score, None)
        for i, (lr, score) in enumerate(zip(LRS, scores, strict=True))
    ]


def finals(name, scores, seeds=SEEDS):
    return [
        RunResult(Job(name, "seed", i, seed, {"lr": 1e-3}), "diverged" if score != score else "finished", score, None)  # noqa: PLR0124
        for i, (seed, score) in enumerate(zip(seeds, scores, strict=True))
    ]


def runs(**scores):
    return [run for name, each in scores.items() for run in (*trials(name), *finals(name, each))]


def test_final_runs_are_ranked_by_the_mode_of_the_test_metric():
    plan = declared("a", "b", metric="val/loss", mode="min", test_metric="test/acc", test_mode="max")
    found = summarize(plan, runs(a=(0.6, 0.61, 0.62, 0.63, 0.6), b=(0.8, 0.81, 0.82, 0.83, 0.81)))
    assert found.title == "a, b: test/acc, higher is better"
    assert found.mode == "max"
    assert [(each.name, each.place) for each in found.contenders] == [("b", 1), ("a", 2)]
    assert [(each.better, each.verdict) for each in found.comparisons] == [("b", "better")]
    assert {each.best_values["lr"] for each in found.contenders} == {1e-4}  # of the lowest val/loss


def test_equal_means_are_said_to_be_equal():
    """Also where they differ by the order of the sum: 0.1, 0.2 and 0.3 give 0.6, or one digit more. t(2) 0.1 / sqrt(3) = 0.2484."""
    given = {"a": (0.1, 0.2, 0.3), "b": (0.3, 0.2, 0.1), "c": (0.2, 0.1, 0.3), "d": (0.1, 0.2, 0.2)}
    for names, words in (("ad", ""), ("abd", ", as {} has"), ("abcd", ", as {} and {} have")):
        contenders = tuple(Contender(name, (), "lr log 1e-4..1e-2") for name in names)
        results = [run for name in names for run in (*trials(name), *finals(name, given[name], SEEDS[:3]))]
        found = summarize(declared(*names, contenders=contenders, seeds=SEEDS[:3]), results)
        top, *tied = [each.name for each in found.contenders][:-1]
        start = f"{top} has the best mean val/acc, 0.2 [-0.04841, 0.4484]{words.format(*tied)}"
        assert found.sentences[0].startswith(f"{start}; "), found.sentences[0]


def simulated(draw):
    of_seed = draw.normal(0.8, 0.02, size=5)
    shifts = {"adam": 0.0, "twin": 0.0, "planted": 0.08, "wild": 0.2}
    scores = {name: of_seed + shift + 0.01 * draw.normal(size=5) for name, shift in shifts.items()}
    scores["wild"][draw.integers(5)] = math.nan
    return scores


def test_simulated_studies():
    """In 100 of them: who is first and last, in words too; two identical ones are told apart in 5 of 100."""
    draw, told_apart = np.random.default_rng(0), 0
    for _ in range(100):
        found = summarize(declared("adam", "twin", "planted", "wild"), runs(**simulated(draw)))
        assert [each.name for each in found.contenders][::3] == ["planted", "wild"]
        assert found.sentences[0].startswith("planted has the best mean val/acc")
        assert found.sentences[-1].startswith("wild is last: 1 of 5 final runs diverged (seed")
        assert [each.place for each in found.contenders] == [1, 2, 3, 0]
        (pair,) = (each for each in found.comparisons if {each.better, each.other} == {"adam", "twin"})
        told_apart += pair.verdict == "better"
    assert told_apart <= 5


def test_two_identical_optimizers_alone_are_told_apart_in_five_of_a_hundred_at_most():
    draw, told_apart = np.random.default_rng(1), 0
    for _ in range(200):
        scores = {name: draw.normal(size=5) for name in ("adam", "twin")}
        found = summarize(declared(*scores), runs(**scores))
        said = "are not distinguishable" in found.sentences[1]
        assert said == ("is not distinguishable from it" in found.sentences[0])
        told_apart += not said
    assert told_apart <= 10


@pytest.mark.parametrize(
    ("plan", "results", "words"),
    [
        (declared("a", "b", seeds=SEEDS[:2]), [], "no final run is over"),
        (
            declared("a", "b", seeds=SEEDS[:2]),
            [*trials("a"), *finals("a", (1, 2), SEEDS[:2]), *trials("b"), *finals("b", (1, 2), SEEDS[:2])],
            "a has 2 seeds, b has 2 seeds; at least 3 are needed",
        ),
        (
            declared("a", "b"),
            [*trials("a"), *finals("a", range(5)), *trials("b")[:2], *finals("b", range(5))],
            "unequal budgets: a 3, b 2 trials",
        ),
        (declared("a"), runs(a=range(5)), "there are not two optimizers to compare"),
        (declared("a", "b"), [*runs(a=range(5)), *trials("b", outcome="crashed")], "there are not two optimizers"),
        (
            declared("a", "b"),
            [*runs(a=range(5)), *trials("b")],
            "final runs are missing: seeds of b 11, 12, 13, 14, 15",
        ),
    ],
)
def test_no_ranking(plan, results, words):
    found = summarize(plan, results)
    assert words in found.no_ranking
    assert found.sentences[0] == found.no_ranking
    assert not any("better than" in each or "best" in each for each in found.sentences)
    assert {each.place for each in found.contenders} == {0}
    assert "better" not in [each.verdict for each in found.comparisons]


def test_an_optimizer_that_cannot_train_keeps_the_others_from_no_ranking():
    found = summarize(declared("a", "b", "muon"), [*runs(a=range(5), b=range(5)), *trials("muon", outcome="crashed")])
    assert found.no_ranking == ""
    assert found.contenders[-1].failure == "all 3 trials crashed"


@pytest.mark.parametrize(("mode", "order"), [("max", "abcd"), ("min", "bacd")])
def test_the_order_is_that_of_the_mean_then_of_failed_runs(mode, order):
    scores = {"d": (math.nan, math.nan, 9, 9, 9), "c": (math.nan, 9, 9, 9, 9), "b": range(5), "a": range(1, 6)}
    found = summarize(declared(*scores, mode=mode), runs(**scores))
    assert "".join(each.name for each in found.contenders) == order
    pairs = [(pair.better, pair.other) for pair in found.comparisons]
    assert pairs == [*itertools.combinations(order, 2)]


def test_a_run_that_diverged_with_a_finite_score_has_failed():
    results = [*runs(a=range(5), b=range(5))]
    results[-1] = results[-1]._replace(outcome="diverged", score=99.0)
    found = summarize(declared("a", "b"), results)
    assert found.contenders[-1].name == "b"
    assert found.contenders[-1].mean.center == 1.5  # of the four that finished


def test_runs_that_are_not_over_are_missing():
    results = [*runs(a=range(5), b=range(5))]
    results[2] = results[2]._replace(outcome="interrupted")
    found = summarize(declared("a", "b"), results)
    assert found.contenders[0].missing_trials == 1
    assert any("a 1 of 3 trials" in each for each in found.warnings)


def summary_of(folder):
    plan = read_plan(folder)
    return summarize(plan, read_results(folder, plan))


def test_curves_bands_and_targets_by_hand(tmp_path):
    found = summary_of(write_comparison(tmp_path / "c", (Fake("a"), Fake("b", 0.5)), noise=0.0, seeds=(1, 2, 3)))
    end = 0.8 * (1 - math.exp(-6))  # the curve of the fake at its last step
    best, other = found.contenders
    assert found.target == pytest.approx(end)
    assert [band.step for band in best.band] == [*range(20, 201, 20)]
    assert best.band[-1].center == pytest.approx(end)
    assert best.band[-1].high - best.band[-1].low == pytest.approx(0.0, abs=1e-9)
    assert best.steps_to_target == 200
    assert other.steps_to_target == math.inf
    assert best.model is not None
    assert [step for step, _ in best.model.driven["lr"]] == [*range(10, 201, 10)]
    assert best.sensitivity_key == "lr"
    assert [value for value, _, _ in best.sensitivity] == [1e-4, 3.162e-4, 1e-3, 3.162e-3, 1e-2]


def test_the_score_of_algoperf(tmp_path):
    """The median over 3 studies of the fastest trial: the lrs of the first and the last study miss the target."""
    found = summary_of(write_comparison(tmp_path / "c", (Fake("a"),), noise=0.0, budget=9, studies=3))
    assert {run.study for run in found.contenders[0].trials} == {0, 1, 2}
    assert found.contenders[0].steps_of_studies == math.inf
    fast = summary_of(write_comparison(tmp_path / "d", (Fake("a", 0.5), Fake("b", 0.9)), budget=9, studies=3))
    assert fast.contenders[0].name == "b"
    assert fast.contenders[0].steps_of_studies < 100


def test_runs_on_several_versions_and_machines_are_warned_about(tmp_path):
    folder = write_comparison(tmp_path / "c", (Fake("a"), Fake("b")))
    file = folder / "runs/a/seed-0/record/run.json"
    file.write_text(file.read_text().replace("2.9.0", "2.8.0").replace("A processor", "Another"))
    found = summary_of(folder)
    assert "the runs had several versions of torch: 2.8.0, 2.9.0" in found.warnings
    assert "the runs had different hardware, so their times do not compare" in found.warnings
    assert found.provenance.versions["torch"] == ("2.8.0", "2.9.0")


@pytest.mark.parametrize(
    ("old", "new", "other"),
    [
        ("0123456789abcdef", "fedcba9876543210", "0123456789ab, fedcba987654"),
        ('"dirty": false', '"dirty": true', "0123456789ab, 0123456789ab + changes"),
    ],
)
def test_runs_of_several_versions_of_the_code_are_warned_about(tmp_path, old, new, other):
    folder = write_comparison(tmp_path / "c", (Fake("a"), Fake("b")))
    assert not summary_of(folder).warnings
    for file in folder.glob("runs/a/seed-*/record/run.json"):
        file.write_text(file.read_text().replace(old, new))
    assert summary_of(folder).warnings == (f"the runs had several versions of the app's code: {other}",)


def test_runs_of_a_seed_that_began_differently_are_warned_about(tmp_path):
    folder = write_comparison(tmp_path / "c", (Fake("a"), Fake("b")))
    for seed in (0, 1):
        file = folder / f"runs/a/seed-{seed}/record/run.json"
        file.write_text(re.sub(r'"parameters": 10\d\b', '"parameters": 5', file.read_text()))
    (words,) = summary_of(folder).warnings
    assert words.startswith("seed 101: the initial weights of a and b differ; seed the app before")
    assert words.endswith("; 1 more like it")


def test_a_metric_that_some_runs_did_not_log(tmp_path):
    folder = write_comparison(tmp_path / "c", (Fake("a"), Fake("b")))
    file = folder / "runs/a/seed-0/record/metrics.csv"
    file.write_text(file.read_text().replace("val/acc", "val/f1"))
    found = summary_of(folder)
    assert "a: 1 runs finished without a finite val/acc, the first is runs/a/seed-0" in found.warnings
    assert found.contenders[-1].failure == "1 of 5 final runs has no finite val/acc (seed 101)"


def test_what_a_run_did_not_log_is_the_metric_of_its_kind(tmp_path):
    folder = write_comparison(tmp_path / "c", (Fake("a"), Fake("b")), test_metric="val/other")
    for run, metric in (("trial-01", "val/acc"), ("seed-2", "val/other")):
        file = folder / f"runs/a/{run}/record/metrics.csv"
        file.write_text(file.read_text().replace(metric, "val/f1"))
    assert summary_of(folder).warnings == (
        "a: 1 runs finished without a finite val/acc, the first is runs/a/trial-01",
        "a: 1 runs finished without a finite val/other, the first is runs/a/seed-2",
    )


def test_studies_are_joined():
    one = Study("one", declared("a", "b"), runs(a=range(5), b=range(1, 6)), [])
    other = Study("other", declared("a"), runs(a=range(2, 7)), ["a problem"])
    both = join_studies([one, other])
    found = summarize(both.plan, both.results, both.problems)
    assert [each.name for each in found.contenders] == ["a (other)", "b", "a (one)"]
    assert found.baseline == "a (one)"
    assert found.warnings[0] == "a problem"
    assert found.no_ranking == ""


def test_studies_that_were_started_in_other_ways_are_joined(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = declared("a", overrides=("n=1", "m=2"))
    same = replace(declared("b"), script=str(tmp_path / "train.py"), overrides=("m=2", "hydra/launcher=joblib", "n=1"))
    studies = [Study(plan.baseline, plan, runs(**{plan.baseline: range(5)}), []) for plan in (one, same)]
    assert [each.name for each in join_studies(studies).plan.contenders] == ["a", "b"]
    other = studies[1]._replace(plan=replace(same, overrides=("n=1", "m=3")))
    with pytest.raises(ConfigError) as error:
        join_studies([studies[0], other])
    assert f"(a: train.py n=1 m=2; b: {tmp_path}/train.py n=1 m=3)" in str(error.value)


def test_one_whose_final_runs_are_not_there_is_before_one_that_failed():
    results = [*runs(bad=(1, 2, math.nan, 4, 5), a=range(5)), *trials("later"), *trials("dead", outcome="diverged")]
    found = summarize(declared("dead", "bad", "later", "a"), results)
    assert [each.name for each in found.contenders] == ["a", "later", "bad", "dead"]


@pytest.mark.parametrize(
    ("outcomes", "failure"),
    [
        (["finished"], "its trial has no finite val/acc"),
        (["finished"] * 3, "all 3 trials have no finite val/acc"),
        (["diverged"], "its trial diverged: step 3: the loss is nan"),
        (
            ["finished", "diverged", "diverged"],
            "all 3 trials diverged or have no finite val/acc: step 4: the loss is nan",
        ),
        (["diverged", "crashed"], "all 2 trials crashed or diverged: out of memory"),
    ],
)
def test_why_no_trial_has_a_score(outcomes, failure):
    def trial(number, outcome):
        divergence = {"step": 3 + number, "reason": "the loss is nan"}
        record = RunRecord(Path(), {"outcome": outcome, "divergence": divergence}, (), ())
        job = Job("a", "trial", number, 1, {"lr": LRS[number]})
        return RunResult(job, outcome, math.nan, record, "out of memory" if outcome == "crashed" else "")

    found = summarize(declared("a", "b", seeds=()), [*map(trial, range(3), outcomes)])
    assert f"a is not ranked: {failure}" in found.sentences


def test_why_final_runs_failed():
    results = runs(a=range(5), b=(1, math.nan, 3, math.nan, 5))
    record = RunRecord(Path(), {"outcome": "diverged", "divergence": {"step": 9, "reason": "the loss is inf"}}, (), ())
    results[-2] = results[-2]._replace(record=record)
    found = summarize(declared("a", "b"), results)
    assert found.contenders[-1].failure == "2 of 5 final runs diverged (seeds 12, 14): step 9: the loss is inf"


def test_more_seeds_are_not_advised_where_no_trial_has_a_score():
    found = summarize(declared("a", seeds=()), trials("a", (math.nan,) * 3))
    assert found.sentences == (
        "no ranking: no optimizer has trained",
        "a is not ranked: all 3 trials have no finite val/acc",
    )
    assert found.next_steps == ()


def test_a_best_value_at_an_end_of_its_range_is_marked_beside_it():
    space = "lr log 1e-4..1e-2; decay linear 0..1"
    tried = [each._replace(job=replace(each.job, values={**each.job.values, "decay": decay}))
             for each, decay in zip(trials("a"), (0.1, 0.9, 0.5), strict=True)]  # fmt: skip
    summary = summarize(declared("a", contenders=(Contender("a", (), space),), seeds=()), tried)
    (found,) = summary.contenders
    assert (found.at_ends, found.why_not_tuned) == (("decay",), "")
    assert best_values_words(found) == "lr=0.001, decay=0.9 (at an end of its range)"
    assert result_table(summary).rows[0][-1] == best_values_words(found)
    assert best_values_words(found) in str(tuning_table(summary))

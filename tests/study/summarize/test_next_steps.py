"""What is to be tried next."""

import math

import numpy as np
import pytest
from scipy import stats

from lit_optim.study.plan import Contender, Job
from lit_optim.study.ranking import compare_all
from lit_optim.study.summarize import summarize
from lit_optim.study.summarize.next_steps import seeds_needed
from study.summarize.test_whole import SEEDS, declared, finals, runs, trials


def steps_of(plan, results):
    return list(summarize(plan, results).next_steps)


@pytest.mark.parametrize(
    ("space", "scores", "words"),
    [
        ("lr log 1e-4..1e-2", (0.1, 0.2, 0.3), "--space 'a: lr log 0.0001..0.1'"),
        ("lr log 1e-4..1e-2", (0.3, 0.2, 0.1), "--space 'a: lr log 1e-05..0.01'"),
        ("lr log 1e-5..1e-2", (0.1, 0.2, 0.3), "--space 'a: lr log 1e-05..0.1'"),
        ("lr 1-x log 0.9..0.9999", (0.3, 0.2, 0.1), "--space 'a: lr 1-x log 0.9..1'"),
        ("lr log 1e-4..1e-2; k in 5, 10", (0.1, 0.2, 0.3), "--space 'a: lr log 0.0001..0.1; k in 5, 10'"),
        ("lr log 1e-4..1e-2", (0.1, 0.3, 0.2), ""),
        ("lr linear 0.0001..0.01", (0.1, 0.2, 0.3), ""),
    ],
)
def test_an_edge_of_the_space(space, scores, words):
    plan = declared("a", contenders=(Contender("a", (), space),))
    found = [each for each in steps_of(plan, trials("a", scores)) if "--space" in each]
    assert [each.partition("wider space, ")[2] for each in found] == ([words] if words else [])


def test_not_distinguishable():
    b = (0.15, 0.19, 0.35, 0.2, 0.1)  # differences 0.05, -0.01, 0.05, 0, 0: 10.05 (0.0295 / 0.018)^2 + 2.71 = 29.7
    (first, *_) = steps_of(declared("a", "b"), runs(a=(0.1, 0.2, 0.3, 0.2, 0.1), b=b))
    assert first == "b and a are not distinguishable: either will do; to tell them apart takes about 30 seeds"


def test_one_of_two_that_is_not_tuned():
    results = [*runs(a=(1, 2, 3, 4, 5)), *trials("b", (0.1, 0.2, 0.3)), *finals("b", (1, 2, 3, 4, 6))]
    found = steps_of(declared("a", "b"), results)
    assert any("are not distinguishable: b can still gain by tuning; to tell" in each for each in found)


def test_the_one_with_fewer_values_to_tune():
    two = [each._replace(job=Job("b", each.job.kind, each.job.number, each.job.seed, {**each.job.values, "k": 1}))
           for each in (*trials("b"), *finals("b", (1, 2, 3, 4, 6)))]  # fmt: skip
    found = steps_of(declared("a", "b"), [*runs(a=(1, 2, 3, 4, 5)), *two])
    assert any("take a, which has fewer values to tune" in each for each in found)


def test_a_run_that_diverged():
    found = steps_of(declared("a", "b"), runs(a=(1, 2, 3, 4, 5), b=(1, 2, math.nan, 4, 5)))
    words = "b does not train from every seed: try a lower lr than the selected lr=0.001, a longer warmup, or "
    assert words + "trainer.gradient_clip_val=1" in found


def test_too_few_seeds():
    plan = declared("a", "b", seeds=SEEDS[:1])
    results = [*trials("a"), *finals("a", (1,), SEEDS[:1]), *trials("b"), *finals("b", (1,), SEEDS[:1])]
    assert "run the final runs with more seeds: a ranking needs 3, 5 are usual" in steps_of(plan, results)


def test_the_command_that_trains_with_the_best():
    words = ("data.n=3", "optimizer=a", "optim_callbacks=[record,ema]", "optim_callbacks.record.stop_diverged=true")
    results = []
    for each in runs(a=(1, 2, 3, 4, 5), b=(0, 0, 0, 0, 0)):
        job = each.job
        results.append(
            each._replace(
                job=Job(job.contender, job.kind, job.number, job.seed, job.values, (*words, f"seed={job.seed}"))
            )
        )
    assert steps_of(declared("a", "b"), results)[-1] == (
        "train with a: python train.py data.n=3 optimizer=a 'optim_callbacks=[ema]'"
    )


def test_so_many_seeds_have_the_power():
    """The t test on so many seeds finds the seen difference in about 80 of 100 studies."""
    differences = np.array([0.011, 0.03, -0.008, 0.02, 0.006])
    scores = {"a": dict(enumerate(differences)), "b": dict.fromkeys(range(5), 0.0)}
    (found,) = compare_all(scores, "max")
    needed = seeds_needed(found, 5)
    shift = differences.mean() / differences.std(ddof=1) * math.sqrt(needed)
    critical = stats.t.ppf(0.99, needed - 1)
    power = 1 - stats.nct.cdf(critical, needed - 1, shift)
    assert power == pytest.approx(0.8, abs=0.06)


def test_a_space_that_few_trials_do_not_reach_the_edges_of():
    plan = declared("a", contenders=(Contender("a", (), "lr log 1e-6..1"),))
    found = steps_of(plan, trials("a", (0.1, 0.2, 0.3)))
    assert "a is not tuned: 3 trials do not reach the edges of its space; raise --budget, with another --dir" in found


def test_the_command_is_that_of_the_one_chosen():
    two = [each._replace(job=Job("b", each.job.kind, each.job.number, each.job.seed, {**each.job.values, "k": 1},
                                 ("optimizer=b",)))
           for each in (*trials("b"), *finals("b", (2, 3, 4, 5, 7)))]  # fmt: skip
    one = [each._replace(job=Job("a", each.job.kind, each.job.number, each.job.seed, each.job.values, ("optimizer=a",)))
           for each in runs(a=(1, 3, 4, 6, 6.5))]  # fmt: skip
    summary = summarize(declared("a", "b"), [*one, *two])
    assert summary.contenders[0].name == "b"
    assert any("take a, which has fewer" in each for each in summary.next_steps)
    assert summary.next_steps[-1] == "train with a: python train.py optimizer=a"

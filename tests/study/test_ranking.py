import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lit_optim.study.ranking import Comparison, compare_all, holm, paired_t_test, sentence, why_no_ranking

NAN = math.nan


def by_seed(*scores):
    return dict(enumerate(scores))


@given(st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=3, max_size=10, unique=True))
def test_the_paired_t_test_is_scipys(differences):
    expected = stats.ttest_rel(differences, [0.0] * len(differences)).pvalue
    assert float(paired_t_test(differences)) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(("differences", "p"), [([0.0, 0.0, 0.0], 1.0), ([0.1, 0.1, 0.1], 0.0), ([-1.0, 1.0], 1.0)])
def test_differences_without_spread(differences, p):
    assert float(paired_t_test(differences)) == pytest.approx(p, abs=1e-12)


@pytest.mark.parametrize(
    ("given_", "corrected"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.01, 0.02, 0.03, 0.04], [0.04, 0.06, 0.06, 0.06]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.04], [0.04]),
        ([], []),
    ],
)
def test_holm_by_hand(given_, corrected):
    assert holm(given_) == pytest.approx(corrected)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_no_correction_and_bonferroni(probabilities):
    for before, after in zip(probabilities, holm(probabilities), strict=True):
        assert before <= after <= min(1.0, before * len(probabilities)) + 1e-12
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__)
    assert all(holm(probabilities)[a] <= holm(probabilities)[b] for a, b in itertools.pairwise(order))


def test_a_comparison_by_hand():
    # differences 0.1, 0.2, 0.3: mean 0.2, t = 0.2 / (0.1 / sqrt 3) = 3.4641, two degrees of freedom
    (found,) = compare_all({"sgd": by_seed(1.1, 1.3, 1.2), "adam": by_seed(1.0, 1.0, 1.0)}, "min")
    assert (found.better, found.other, found.verdict) == ("adam", "sgd", "not distinguishable")
    assert (found.difference, found.p) == pytest.approx((0.2, 0.0742), abs=1e-4)
    assert (found.low, found.high) == pytest.approx((-0.0484, 0.4484), abs=1e-4)


def test_differences_are_paired_by_seed():
    adam = {seed: 0.1 * seed for seed in range(5)}  # seeds differ much, the optimizers little, and always alike
    sgd = {seed: 0.1 * seed + 0.01 + 0.001 * (seed % 2) for seed in reversed(range(5))}
    (found,) = compare_all({"adam": adam, "sgd": sgd}, "min")
    assert found.verdict == "better"


def test_seeds_that_not_all_have_are_left_out():
    # by its five seeds adam is ahead; on the three that both have sgd is
    adam, sgd = by_seed(0.3, 0.31, 0.29, 0.0, 0.0), by_seed(0.2, 0.2, 0.2)
    (found,) = compare_all({"adam": adam, "sgd": sgd}, "min")
    assert (found.better, found.other) == ("sgd", "adam")
    assert found.difference == pytest.approx(0.1)
    assert found.low < 0.1 < found.high
    assert why_no_ranking({"adam": adam, "sgd": sgd}, {}).startswith("no ranking: the seeds differ")


@pytest.mark.parametrize(
    "scores", [{}, {"a": by_seed(1, 2)}, {"a": by_seed(1), "b": by_seed(2)}, {"a": by_seed(NAN), "b": by_seed(NAN)}]
)
def test_too_little_to_compare(scores):
    found = compare_all(scores, "min")
    assert len(found) == (len(scores) == 2)
    assert all(each.verdict == "not compared" for each in found)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_runs_that_failed_are_not_compared(mode):
    scores = {"one": by_seed(0.5, 0.6, 0.7), "two": by_seed(0.5, 0.6, 0.8), "bad": by_seed(0.5, NAN, 0.5)}
    found = compare_all(scores, mode)
    assert [each.verdict for each in found if each.other == "bad"] == ["not compared", "not compared"]
    (both,) = (each for each in found if each.other != "bad")
    assert both.p == pytest.approx(float(paired_t_test([0.0, 0.0, 0.1])))  # corrected for one pair, not for three
    assert sentence(found[-1], "val/acc").endswith(
        "bad are not compared: a run failed, or they share fewer than two seeds"
    )


@given(st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3), min_size=2, max_size=4))
def test_a_metric_that_rises_is_one_that_falls_with_another_sign(rows):
    names = [f"optimizer{i}" for i in range(len(rows))]
    rising = compare_all({name: by_seed(*row) for name, row in zip(names, rows, strict=True)}, "max")
    falling = compare_all({name: by_seed(*(-x for x in row)) for name, row in zip(names, rows, strict=True)}, "min")
    assert rising == falling
    assert all(each.low <= each.difference <= each.high and each.difference >= -1e-12 for each in rising)


THREE = by_seed(0.1, 0.2, 0.3)


@pytest.mark.parametrize(
    ("scores", "trials", "words"),
    [
        ({"adam": THREE, "sgd": THREE}, {"adam": 15, "sgd": 15}, ""),
        (
            {"adam": by_seed(1, 2), "sgd": THREE},
            {"adam": 15, "sgd": 15},
            "no ranking: adam has 2 seeds; at least 3 are needed",
        ),
        ({"adam": THREE, "sgd": THREE}, {"adam": 15, "sgd": 9}, "no ranking: unequal budgets: adam 15, sgd 9 trials"),
        (
            {"adam": THREE, "sgd": {0: 1, 1: 1, 7: 1}},
            {},
            "no ranking: the seeds differ (adam 0, 1, 2, sgd 0, 1, 7), and differences are paired by seed",
        ),
    ],
)
def test_why_no_ranking(scores, trials, words):
    assert why_no_ranking(scores, trials) == words


def test_an_interval_without_0_where_p_is_too_high_is_explained():
    pair = Comparison("adam", "sgd", 0.1, 0.01, 0.19, 0.03, "not distinguishable")
    assert sentence(pair, "val/loss").endswith("p = 0.03; the interval leaves 0 out, but p is not below 0.02")


def test_a_sentence_says_what_is_better_in_units_of_the_metric():
    each = Comparison("lion", "sgd", 0.0123456, 0.00111, 0.0235, 0.0123, "better")
    assert sentence(each, "val/acc") == "lion is better than sgd: val/acc by 0.0123 [0.00111, 0.0235], p = 0.012"


def simulated(draw, shifts, seeds, noise=0.01, shared=0.02):
    """Scores of optimizers whose truths differ by shifts; a part of the noise is that of the seed, which all share."""
    of_seed = draw.normal(0.8, shared, size=seeds)
    return {name: by_seed(*(of_seed + shift + noise * draw.normal(size=seeds))) for name, shift in shifts.items()}


SIX = dict.fromkeys(("adam", "adamw", "lion", "nadam", "radam", "twin"), 0.0)


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_a_planted_better_optimizer_is_found(seeds):
    draw = np.random.default_rng(0)
    studies = [simulated(draw, SIX | {"planted": 0.04}, seeds) for _ in range(100)]
    found = [[c.verdict for c in compare_all(each, "max") if c.better == "planted"] for each in studies]
    if seeds >= 5:
        assert np.mean([verdicts.count("better") for verdicts in found]) > 5 * (0.3 if seeds == 5 else 0.95)


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("heavy", [False, True])
def test_two_identical_optimizers_among_others_are_not_distinguishable(seeds, heavy):
    draw, told_apart, wrong = np.random.default_rng(1), 0, 0
    for _ in range(300):
        scores = simulated(draw, SIX, seeds)
        if heavy:
            scores = {name: by_seed(*draw.standard_t(2, size=seeds)) for name in scores}
        found = compare_all(scores, "max")
        told_apart += any(each.verdict == "better" for each in found)
        wrong += any(each.verdict == "better" and {each.better, each.other} == {"adam", "twin"} for each in found)
    assert told_apart <= 0.05 * 300 + 3 * math.sqrt(300 * 0.05 * 0.95)  # of all 15 pairs any
    assert wrong <= 0.05 * 300


def test_two_identical_optimizers_alone_are_told_apart_in_five_of_a_hundred():
    differences = np.random.default_rng(2).normal(size=(4000, 5))
    assert np.mean(paired_t_test(differences) < 0.05) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("optimizers", [2, 5, 8])
@pytest.mark.parametrize(("samples", "errors"), [(360, 0.01), (360, 0.005), (100, 0.02), (1000, 0.005)])
@pytest.mark.parametrize("seeds", [3, 5])
def test_identical_optimizers_are_not_told_apart_by_accuracies(optimizers, samples, errors, seeds):
    draw = np.random.default_rng(4)
    studies = draw.binomial(samples, 1 - errors, (200, optimizers, seeds)) / samples
    found = [compare_all({str(i): by_seed(*row) for i, row in enumerate(study)}, "max") for study in studies]
    told_apart = sum(any(each.verdict == "better" for each in pairs) for pairs in found)
    assert told_apart <= 0.02 * 200 + 3 * math.sqrt(200 * 0.02 * 0.98)


def test_three_differences_of_one_sample_by_hand():
    # one of 360 images, three times: t = sqrt 3 * (1 / 360) / (sqrt 2 / 360 / sqrt 12) = 3 sqrt 2, two degrees of freedom
    adamw, momentum = (by_seed(*(count / 360 for count in each)) for each in ((357, 355, 358), (356, 354, 357)))
    (found,) = compare_all({"adamw": adamw, "momentum": momentum}, "max")
    assert (found.better, found.verdict) == ("adamw", "not distinguishable")
    assert found.p == pytest.approx(0.0513, abs=1e-4)
    # t of 95 %, two degrees: 4.3027 * sqrt 2 / 360 / 6
    assert (found.low, found.high) == pytest.approx((1 / 360 - 0.0028172, 1 / 360 + 0.0028172), abs=1e-6)


@pytest.mark.parametrize("extra", [{}, {"lion": by_seed(2.5e7, 8e7, 3e7, 5e7, 4e7)}])
def test_huge_scores_of_another_optimizer_change_no_verdict(extra):
    adam, sgd = by_seed(99.0, 101.0, 104.0, 100.0, 103.0), by_seed(119.0, 121.0, 125.0, 119.5, 123.5)
    found = compare_all({"adam": adam, "sgd": sgd, **extra}, "min")[0]
    assert (found.better, found.other, found.verdict) == ("adam", "sgd", "better")
    # differences 20, 20, 21, 19.5, 20.5: mean 20.2, deviation 0.57; t of 95 %, four degrees: 2.7764
    assert (found.low, found.high) == pytest.approx((20.2 - 0.7079, 20.2 + 0.7079), abs=1e-3)


def test_seeds_that_all_agree_are_taken_at_their_word():
    (found,) = compare_all({"a": by_seed(1.0, 1.0, 1.0), "b": by_seed(0.1, 0.1, 0.1)}, "max")
    assert (found.better, found.verdict) == ("a", "better")

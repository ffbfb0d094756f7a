import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_optim.study.search_space import Dimension, SearchSpace
from lit_optim.study.selection import TrialResult, best_at_ends, best_trial, edge_of_best, losses, why_not_tuned
from lit_optim.study.trial_values import beyond_edge, grid_trials, quasi_random_trials

LR = Dimension("lr", 1e-3, 1e-1, log=True)
SPACE = SearchSpace((LR, Dimension("weight_decay", 1e-4, 1e-2, log=True)))


def at_lrs(*scores):
    """Trials at lr 0.001, 0.01, ...; a word in place of a score is how the trial failed."""
    return [
        TrialResult({"lr": 10.0 ** (i - 3)}, *((0.0, score) if isinstance(score, str) else (score,)))
        for i, score in enumerate(scores)
    ]


@pytest.mark.parametrize(
    ("scores", "mode", "best"),
    [
        ((3.0, 1.0, 2.0), "min", 1),
        ((3.0, 1.0, 2.0), "max", 0),
        ((1.0, 1.0), "min", 0),  # the first of equals
        (("diverged", 9.0, "crashed"), "min", 1),  # a score of 0.0 does not count
        (("diverged", -9.0), "max", 1),
        ((math.nan, math.inf, 5.0), "min", 2),
        ((math.nan, math.inf, 5.0), "max", 2),
        (("diverged", "crashed", "interrupted", math.nan), "min", None),
        ((), "min", None),
    ],
)
def test_the_best_trial(scores, mode, best):
    assert best_trial(at_lrs(*scores), mode) == best


def test_a_failed_trial_is_the_worst_and_is_not_missing():
    assert losses(at_lrs(0.5, "diverged", "crashed", 0.7), "max") == [-0.5, math.inf, math.inf, -0.7]


@pytest.mark.parametrize(
    ("scores", "edge"),
    [
        ((1, 2, 3), "low"),
        ((3, 2, 1), "high"),
        ((2, 1, 3), ""),
        ((3, 1, "diverged"), ""),
        (("diverged", 1, 3), ""),
        (("diverged", "diverged", 3), "high"),
        (("crashed", "diverged"), ""),
    ],
)
def test_edges(scores, edge):
    assert edge_of_best(LR, at_lrs(*scores), "min") == edge


@given(st.permutations([0.1, 0.2, 0.3, 0.4, 0.5]), st.sampled_from(["min", "max"]))
def test_the_edge_does_not_depend_on_the_order_of_trials(scores, mode):
    results = [TrialResult({"lr": lr}, score) for lr, score in zip((1, 2, 3, 4, 5), scores, strict=True)]
    assert edge_of_best(LR, results, mode) == edge_of_best(LR, results[::-1], mode)
    best = scores.index(min(scores) if mode == "min" else max(scores))
    assert edge_of_best(LR, results, mode) == {0: "low", 4: "high"}.get(best, "")


def test_the_edge_of_a_complement_is_one_of_its_range():
    momentum = Dimension("momentum", 0.01, 0.5, log=True, complement=True)
    results = [TrialResult({"momentum": value}, value) for value in (0.5, 0.9, 0.99)]
    assert edge_of_best(momentum, results, "max") == "low"  # 1 - 0.99
    assert edge_of_best(momentum, results, "min") == "high"


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ((2, 1, 3), ""),
        ((1, 2, 3), "not tuned: the best lr, 0.001, is the lowest of 3 that were tried"),
        ((4, 3, 2, 1), "not tuned: the best lr, 1, is the highest of 4 that were tried"),
        ((1, 2), "not tuned: 2 values of lr tried"),
        ((1,), "not tuned: 1 value of lr tried"),
        (("diverged", "crashed"), "not tuned: none of 2 trials has finished with a finite score"),
        ((), "not tuned: none of 0 trials has finished with a finite score"),
    ],
)
def test_why_not_tuned(scores, words):
    assert why_not_tuned(SPACE, at_lrs(*scores), "min") == words


@pytest.mark.parametrize(
    "trials_of", [lambda space: grid_trials(space, 5), lambda space: quasi_random_trials(space, 15)]
)
@pytest.mark.parametrize("optimum", [3e-5, 1e-2, 2.0])
def test_a_planted_optimum_outside_of_the_grid_is_found_by_extension(trials_of, optimum):
    """Extended by a decade at a time, until values enclose the best one: it is within the step of the grid."""
    space, tried = SPACE, {}
    for _ in range(4):
        tried |= {trial["lr"]: (math.log(trial["lr"] / optimum)) ** 2 for trial in trials_of(space)}
        results = [TrialResult({"lr": lr}, score) for lr, score in tried.items()]
        side = edge_of_best(LR, results, "min")
        if not side:
            break
        assert why_not_tuned(SPACE, results, "min")
        best = results[best_trial(results, "min")].values["lr"]
        space = SearchSpace((beyond_edge(space, side, best, 2),))
    assert not why_not_tuned(SPACE, results, "min")
    assert abs(math.log10(results[best_trial(results, "min")].values["lr"] / optimum)) <= 0.25 + 1e-3


@pytest.mark.parametrize(
    ("tried", "why"),
    [
        ([0.01, 0.1, 1.0], ""),
        ([0.01, 0.1, 1.1], "not tuned: no lr between 0.1 and 1.1 was tried, and one of them is the best"),
        ([0.009, 0.1, 1.0], "not tuned: no lr between 0.009 and 0.1 was tried, and one of them is the best"),
        ([1e-4, 0.03, 0.1, 1.0, 100.0], ""),  # far from the best
    ],
)
def test_a_best_value_with_a_gap_beside_it_is_not_tuned(tried, why):
    results = [TrialResult({"lr": lr}, abs(math.log10(lr / 0.1)), "finished" if lr < 1 else "diverged") for lr in tried]
    assert why_not_tuned(SPACE, results, "min") == why


DECAY = Dimension("decay", 1e-4, 1.0, log=True)  # of 4 decades
MOMENTUM = Dimension("momentum", 0.01, 1.0, log=True, complement=True)
FIVE = (1e-3, 1e-2, 0.03, 0.1)  # and a best one: half the spacing of 5 values is 0.4 decades, 10^-0.4 = 0.398


@pytest.mark.parametrize(
    ("dimension", "values", "marked"),
    [
        (DECAY, (1.0, *FIVE), True),
        (DECAY, (0.40, *FIVE), True),
        (DECAY, (0.39, *FIVE), False),  # the outermost one, as in 2 of 5 studies by chance
        (DECAY, (0.41, 0.5, *FIVE[1:]), False),  # enclosed
        (DECAY, (2.0, *FIVE), True),  # beyond the range
        (DECAY, (2.51e-4, *FIVE), True),
        (DECAY, (2.52e-4, *FIVE), False),
        (DECAY, (1.0, 1e-4), False),  # of two values each is the outermost one
        (DECAY, (1.0, 0.0, 0.5), False),  # no logarithm
        (replace(DECAY, log=False), (0.91, *FIVE), True),  # half a spacing: 0.1
        (replace(DECAY, log=False), (0.89, *FIVE), False),
        (MOMENTUM, (0.985, 0.5, 0.6, 0.7, 0.8), True),  # 1 - 0.985 < 0.01 10^0.2 = 0.0158
        (MOMENTUM, (0.984, 0.5, 0.6, 0.7), True),  # of 4 values: 0.01 10^0.25 = 0.0178
        (MOMENTUM, (0.984, 0.5, 0.6, 0.7, 0.8), False),
        (Dimension("k", choices=(5, 10, 15)), (5, 10, 15), False),
    ],
)
def test_a_best_value_at_an_end_of_its_range(dimension, values, marked):
    tried = [{"lr": 0.1, dimension.key: value} for value in values]
    assert best_at_ends(SearchSpace((LR, dimension)), tried, 0) == [dimension.key] * marked
    assert best_at_ends(SearchSpace((dimension, LR)), tried, 0) == []  # the first key has a rule of its own
    assert best_at_ends(SearchSpace((LR, dimension)), [*tried, {"lr": 0.1}], 0) == []


@pytest.mark.parametrize(("count", "most"), [(5, 0.25), (15, 0.1)])
def test_a_key_without_influence_is_seldom_marked(count, most):
    """In about 1 of `count` studies, where any trial may be the best."""
    space = SearchSpace((LR, DECAY, Dimension("betas[0]", 0.02, 0.5, log=True, complement=True)))
    studies = [quasi_random_trials(space, count, study) for study in range(40)]
    found = [key for tried in studies for best in range(count) for key in best_at_ends(space, tried, best)]
    assert 0 < len(found) / (2 * 40 * count) < most

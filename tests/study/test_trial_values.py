import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_optim.study.search_space import Dimension, SearchSpace
from lit_optim.study.trial_values import beyond_edge, grid_trials, quasi_random_points, quasi_random_trials

LR = Dimension("lr", 1e-4, 1e-2, log=True)
BETA = Dimension("betas[0]", 0.02, 0.5, log=True, complement=True)
SPACE = SearchSpace((LR, BETA), "A 2020")


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 6), st.integers(0, 9))
def test_the_first_points_do_not_change(few, more, dimensions, study):
    few, more = sorted([few, more])
    assert quasi_random_points(more, dimensions, study)[:few] == quasi_random_points(few, dimensions, study)


@given(st.integers(0, 99), st.sampled_from([(0, 2), (1, 3), (2, 5), (3, 7)]), st.integers(1, 3))
def test_points_are_stratified(study, axis, power):
    """Of base ** power points, one lies in each of as many equal intervals: what makes the sequence Halton's."""
    index, base = axis
    count = base**power
    points = [point[index] for point in quasi_random_points(count, 4, study)]
    assert sorted(int(np.floor(point * count + 1e-9)) for point in points) == [*range(count)]
    assert all(0 <= point < 1 for point in points)


def test_studies_differ_and_points_are_pinned():
    first = {quasi_random_points(1, 2, study)[0] for study in range(20)}
    assert len(first) == 20
    # trials that are finished stay what they were in every version
    expected = [(0.511373, 0.314628), (0.011373, 0.647961), (0.761373, 0.981294)]
    assert np.array(quasi_random_points(3, 2)) == pytest.approx(np.array(expected), abs=1e-6)


def test_points_fill_the_space_better_than_random_ones():
    qmc = pytest.importorskip("scipy.stats").qmc
    ours = [qmc.discrepancy(quasi_random_points(15, 3, study)) for study in range(50)]
    random = [qmc.discrepancy(np.random.default_rng(study).random((15, 3))) for study in range(50)]
    assert np.mean(ours) < 0.5 * np.mean(random)


def test_shares_are_not_tied_across_dimensions():
    points = np.array([quasi_random_points(15, 4, study) for study in range(200)])
    for one, two in itertools.combinations(range(4), 2):
        correlations = [np.corrcoef(each[:, one], each[:, two])[0, 1] for each in points]
        assert abs(np.mean(correlations)) < 0.06


def test_trials_of_a_space():
    trials = quasi_random_trials(SPACE, 15, study=2)
    assert [*trials[0]] == ["lr", "betas[0]"]
    assert all(1e-4 <= trial["lr"] <= 1e-2 and 0.5 <= trial["betas[0]"] <= 0.98 for trial in trials)
    assert len({trial["lr"] for trial in trials}) == 15


@pytest.mark.parametrize(
    ("count", "lrs"), [(1, [1e-3]), (2, [1e-4, 1e-2]), (5, [1e-4, 3.162e-4, 1e-3, 3.162e-3, 1e-2])]
)
def test_grid(count, lrs):
    assert grid_trials(SPACE, count) == [{"lr": lr} for lr in lrs]


@pytest.mark.parametrize(
    ("dimension", "side", "best", "count", "ends"),
    [
        (LR, "high", 1e-2, 2, (1e-2, 0.1)),
        (LR, "high", 5e-3, 1, (5e-3, 0.01581)),
        (LR, "high", 5e-3, 3, (5e-3, 0.1)),
        (LR, "low", 2e-4, 1, (6.325e-5, 2e-4)),
        (LR, "low", 2e-4, 3, (1e-5, 2e-4)),
        (BETA, "high", 0.6, 1, (0.4, 1.0)),
        (BETA, "low", 0.98, 3, (0.002, 0.02)),
        (Dimension("x", 0.1, 1.0, log=True, complement=True), "high", 0.0, 1, None),
        (Dimension("x", 0.0, 1.0), "high", 1.0, 1, None),
        (Dimension("k", choices=(1, 2)), "low", 1, 1, None),
    ],
)
def test_the_range_beyond_the_best(dimension, side, best, count, ends):
    found = beyond_edge(SearchSpace((dimension, LR), "A"), side, best, count)
    assert (found and (found.low, found.high)) == ends

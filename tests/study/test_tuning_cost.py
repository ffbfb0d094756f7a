import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_optim.study.selection import TrialResult
from lit_optim.study.tuning_cost import expected_best_of, lr_sensitivity

scores = st.lists(st.floats(0, 10), min_size=1, max_size=5)


def results(values):
    return [TrialResult({}, value) for value in values]


@given(scores, st.sampled_from(["min", "max"]))
def test_the_expected_best_of_k_is_the_mean_over_all_draws(values, mode):
    best = min if mode == "min" else max
    found = expected_best_of(results(values), mode, worst=99.0 if mode == "min" else -99.0)
    for k, expected in enumerate(found, start=1):
        draws = [best(draw) for draw in itertools.product(values, repeat=k)]
        assert expected == pytest.approx(np.mean(draws), abs=1e-9)


def test_a_failed_trial_counts_as_the_model_before_training():
    trials = [TrialResult({}, 0.5), TrialResult({}, 0.0, "diverged")]
    assert expected_best_of(trials, "min", worst=2.5) == [1.5, 1.0]  # (0.5 + 2.5) / 2; three of four draws hold the 0.5
    assert expected_best_of([TrialResult({}, 0.8), TrialResult({}, 0.9, "crashed")], "max", worst=0.1)[
        0
    ] == pytest.approx(0.45)
    assert lr_sensitivity(trials, "min", worst=2.5) == 1.0


@given(scores)
def test_more_trials_are_never_worse(values):
    found = expected_best_of(results(values), "min", worst=99.0)
    assert all(after <= before + 1e-9 for before, after in itertools.pairwise(found))
    assert found[0] == pytest.approx(np.mean(values))


@pytest.mark.parametrize(
    ("values", "mode", "worst", "sensitivity"),
    [
        ([0.5, 0.5, 0.5], "min", 2.0, 0.0),
        ([2.0, 0.5, 1.0, 30.0], "min", 2.0, 5.5 / 4 - 0.5),
        ([0.9, 0.6, 0.05], "max", 0.1, 0.9 - 1.6 / 3),
        ([float("nan")], "min", 2.0, 0.0),
    ],
)
def test_lr_sensitivity(values, mode, worst, sensitivity):
    assert lr_sensitivity(results(values), mode, worst) == pytest.approx(sensitivity)

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_optim.study.targets import baseline_target, median_of_fastest, time_to_target

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("curves", "mode", "target"),
    [
        ([[(1, 3.0), (2, 1.0), (3, 2.0)]], "min", 1.0),
        ([[(1, 3.0), (2, 1.0), (3, 2.0)]], "max", 3.0),
        ([[(1, 1.0)], [(1, 2.0)], [(1, 9.0)]], "min", 2.0),
        ([[(1, 1.0)], [(1, 2.0)]], "min", 1.5),
        ([[(1, NAN), (2, 4.0)], [(1, 5.0)], [(1, NAN)]], "min", 5.0),  # the third seed diverged
        ([[(1, 0.9)], [(1, NAN)], []], "max", -INF),
    ],
)
def test_the_target_is_the_median_best_of_the_baseline(curves, mode, target):
    assert baseline_target(curves, mode) == target


@pytest.mark.parametrize(
    ("curve", "mode", "time"),
    [
        ([(10, 0.5), (20, 0.3), (30, 0.2)], "min", 20),
        ([(10, 0.2), (20, 0.4)], "max", 20),
        ([(10, 0.31), (20, NAN), (30, 0.3)], "min", 30),  # equal is reached, NaN is not
        ([(10, 0.4), (20, INF)], "min", INF),
        ([(10, 0.1), (20, 9.0)], "min", 10),  # reached is reached, whatever comes after
        ([], "min", INF),
    ],
)
def test_the_time_to_the_target(curve, mode, time):
    assert time_to_target(curve, 0.3, mode) == time


@pytest.mark.parametrize(
    ("studies", "score"),
    [
        ([[30, 10, INF], [20, 40, INF], [INF, INF, 50]], 20),
        ([[30], [INF], [INF]], INF),
        ([[30], [INF]], INF),
        ([[30], [50]], 40),
        ([[INF, INF]], INF),
    ],
)
def test_the_median_over_studies_of_the_fastest_trial(studies, score):
    assert median_of_fastest(studies) == score


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20), st.floats(-5, 5))
def test_a_harder_target_takes_longer(values, target):
    curve = [*enumerate(values)]
    assert time_to_target(curve, target - 1, "min") >= time_to_target(curve, target, "min")
    flipped = [(time, -value) for time, value in curve]
    assert time_to_target(flipped, -target, "max") == time_to_target(curve, target, "min")


def test_no_target_is_not_missed():
    assert math.isnan(time_to_target([(10, 0.5)], NAN, "min"))

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lit_optim.errors import ConfigError
from lit_optim.study.intervals import IQM, resolution_of, trimmed_interval, trimmed_mean

values = st.lists(st.floats(-100, 100), min_size=2, max_size=12)


@given(values)
def test_the_iqm_is_scipys_trimmed_mean(scores):
    assert trimmed_mean(scores) == pytest.approx(stats.trim_mean(scores, 0.25), abs=1e-9)
    assert trimmed_mean(scores, 0.0) == pytest.approx(np.mean(scores), abs=1e-9)


@pytest.mark.parametrize(("scores", "iqm"), [([1, 2, 3], 2.0), ([5, 1, 2, 3, 100], 10 / 3), ([*range(9), 1000], 4.5)])
def test_the_iqm_by_hand(scores, iqm):
    assert trimmed_mean(scores) == pytest.approx(iqm)


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=12, unique=True), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_interval_of_the_mean_is_scipys(scores, level):
    found = trimmed_interval(scores, level=level)
    low, high = stats.ttest_1samp(scores, 0.0).confidence_interval(level)
    assert tuple(map(float, found)) == pytest.approx((np.mean(scores), low, high), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("count", [4, 5, 8, 10, 13])
def test_the_interval_of_the_iqm_is_yuens(count):
    one, two = np.random.default_rng(count).normal(size=(2, count))
    (center, _, high), (center2, _, high2) = trimmed_interval(one, IQM), trimmed_interval(two, IQM)
    kept = count - 2 * int(IQM * count)
    errors = [(high - center), (high2 - center2)] / stats.t.ppf(0.975, kept - 1)
    expected = stats.ttest_ind(one, two, trim=0.25, equal_var=False).statistic
    assert (center - center2) / math.hypot(*errors) == pytest.approx(expected)


def test_studies_are_computed_at_once():
    scores = np.random.default_rng(0).normal(size=(4, 3, 7))
    found = trimmed_interval(scores, IQM)
    for place in np.ndindex(4, 3):
        assert [float(each[place]) for each in found] == pytest.approx(
            [*map(float, trimmed_interval(scores[place], IQM))]
        )


@pytest.mark.parametrize(
    ("scores", "trim", "center", "width"),
    [
        ([1.0], 0.0, 1.0, math.inf),
        ([1.0, 1.0, 1.0], 0.0, 1.0, 0.0),
        ([1.0, 2.0, math.inf], 0.0, math.inf, math.inf),
        ([1.0, 1.0, 1.0, 1.0, math.inf], IQM, 1.0, 0.0),  # one run of five that failed is trimmed
        ([1.0, 1.0, 1.0, math.inf, math.inf], IQM, math.inf, math.inf),
    ],
)
def test_runs_that_say_little(scores, trim, center, width):
    found = trimmed_interval(scores, trim)
    assert float(found.center) == center
    assert float(found.high - found.low) == width


@given(values, st.floats(-5, 5), st.floats(0.1, 10))
def test_intervals_move_and_scale_with_the_scores(scores, shift, scale):
    before = trimmed_interval(scores)
    after = trimmed_interval([shift + scale * score for score in scores])
    assert [*map(float, after)] == pytest.approx([shift + scale * float(each) for each in before], rel=1e-6, abs=1e-6)


COVERED = [  # of 1,000 studies: the share that the docstring states, within what chance does to 1,000
    ("normal", 5, 0.0, 0.95),
    ("normal", 10, 0.0, 0.95),
    ("normal", 3, 0.0, 0.95),
    ("normal", 5, IQM, 0.93),
    ("normal", 10, IQM, 0.94),
    ("heavy", 5, 0.0, 0.96),
    ("heavy", 10, IQM, 0.95),
]


@pytest.mark.parametrize(("kind", "count", "trim", "rate"), COVERED)
def test_intervals_cover_the_truth_at_their_rate(kind, count, trim, rate):
    draw = np.random.default_rng(0)
    shape = (1000, count)
    scores = 0.8 + 0.01 * (draw.normal(size=shape) if kind == "normal" else draw.standard_t(3, size=shape))
    _, low, high = trimmed_interval(scores, trim)
    assert np.mean((low <= 0.8) & (high >= 0.8)) == pytest.approx(rate, abs=0.02)


@pytest.mark.parametrize("trim", [0.0, IQM])
@pytest.mark.parametrize("count", [3, 4, 5, 10])
@pytest.mark.parametrize(("samples", "errors"), [(360, 0.01), (360, 0.005), (100, 0.02), (1000, 0.005)])
def test_intervals_of_accuracies_cover_the_truth(samples, errors, count, trim):
    draw = np.random.default_rng(0)
    scores = draw.binomial(samples, 1 - errors, (4000, count)) / samples
    truth = trimmed_mean(scores, trim).mean() if trim else 1 - errors
    _, low, high = trimmed_interval(scores, trim, resolution=1 / samples)
    assert np.mean((low <= truth) & (high >= truth)) > 0.92
    assert np.all(high > low)


@pytest.mark.parametrize(
    ("scores", "resolution"),
    [
        ([], 0.0),
        ([[0.5]], 0.0),
        ([[0.5, 0.5, math.nan], [0.1, 0.1]], 0.0),  # of seeds that all agree nothing is known
        ([[0.5, 0.25, 1.0, math.inf]], 0.25),
        ([[0.98888886, 0.98888889, 0.9916667]], 0.0027778),  # of 360 samples, in float32
        ([[-2.0, -1.5], [3.0, 3.25]], 0.25),
        ([[0.1, 0.3, 0.5], [0.4, 0.4, 0.4]], 0.1),
        ([[0.30, 0.31, 0.33], [1e6, 3e6, 2e6]], 0.01),  # one that has nearly diverged changes nothing
    ],
)
def test_resolution(scores, resolution):
    assert resolution_of(scores) == pytest.approx(resolution, rel=1e-4)


def test_the_percentile_bootstrap_is_too_narrow_for_five_seeds():
    scores = np.random.default_rng(1).normal(size=(300, 5))
    found = stats.bootstrap(
        (scores,), np.mean, axis=1, n_resamples=500, method="percentile", rng=np.random.default_rng(0)
    )
    low, high = found.confidence_interval
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.83, abs=0.06)


def test_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(ConfigError, match=r"need scipy, which is not installed; pip install 'lit-optim\[study\]'"):
        trimmed_interval([1.0, 2.0])

"""What holds for every schedule, whatever its numbers."""

import itertools
import pickle
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_optim import ConfigError, schedules
from lit_optim.schedules import join, warmup

factors = st.floats(0.0, 10.0)
lengths = st.integers(1, 2000)
BETWEEN = ["linear", "cosine", "polynomial"]


@given(shape=st.sampled_from(BETWEEN), n=lengths, start=factors, end=factors, step=st.integers(0, 5000))
def test_between_its_two_ends(shape, n, start, end, step):
    value = getattr(schedules, shape)(n, start_factor=start, end_factor=end)(step)
    assert min(start, end) - 1e-9 <= value <= max(start, end) + 1e-9


@given(shape=st.sampled_from([*BETWEEN, "exponential"]), n=lengths, start=st.floats(0.01, 10), end=st.floats(0.01, 10))
def test_monotone_and_exact_at_both_ends(shape, n, start, end):
    schedule = getattr(schedules, shape)(n, start_factor=start, end_factor=end)
    values = [schedule(t) for t in range(n + 3)]
    assert values[0] == pytest.approx(start, rel=1e-12)
    assert values[n:] == pytest.approx([end] * 3, rel=1e-12)
    signs = {(b > a) - (b < a) for a, b in itertools.pairwise(values) if abs(b - a) > 1e-12}
    assert len(signs) <= 1


@given(shape=st.sampled_from(BETWEEN), n=lengths, step=st.integers(0, 3000))
def test_join_of_one_is_itself(shape, n, step):
    factory = getattr(schedules, shape)
    assert join(n, phases=[factory], lengths=[None])(step) == factory(n)(step)


@given(n=st.integers(2, 500), w=st.integers(0, 500), after=st.sampled_from(BETWEEN))
def test_warmup_and_main_meet_at_1(n, w, after):
    if w >= n:
        return
    schedule = warmup(n, warmup_steps=w, after=getattr(schedules, after))
    assert schedule(w) == pytest.approx(1.0)
    assert all(schedule(t) > 0 for t in range(w))
    assert schedule(n) == pytest.approx(0.0, abs=1e-12)


@given(n=st.integers(1, 100))
def test_factories_pickle(n):
    factory = partial(warmup, warmup_steps=1, after=partial(schedules.cosine, end_factor=0.1))
    again = pickle.loads(pickle.dumps(factory))
    assert [again(n)(t) for t in range(n)] == [factory(n)(t) for t in range(n)]


BAD = [
    ("constant", {"factor": -1.0}),
    ("constant", {"factor": float("nan")}),
    ("linear", {"end_factor": -0.1}),
    ("linear", {"start_factor": float("inf")}),
    ("cosine", {"end_factor": -0.1}),
    ("step", {"step_size": 0}),
    ("step", {"step_size": 3, "gamma": -0.1}),
    ("multistep", {"milestones": [-1]}),
    ("exponential", {"gamma": 0.9, "end_factor": 0.1}),
    ("exponential", {"gamma": 0.0}),
    ("exponential", {"end_factor": 0.0}),
    ("polynomial", {"power": 0.0}),
    ("plateau", {"factor": 1.0}),
    ("plateau", {"factor": 0.0}),
    ("plateau", {"patience": -1}),
]


@pytest.mark.parametrize(("shape", "arguments"), BAD)
def test_out_of_range_names_the_argument(shape, arguments):
    with pytest.raises(ConfigError) as caught:
        getattr(schedules, shape)(100, **arguments)
    assert any(str(caught.value).startswith(name) for name in (arguments or {"gamma": None}))


@pytest.mark.parametrize("shape", ["linear", "cosine", "polynomial"])
def test_a_shape_that_needs_its_length_says_so(shape):
    with pytest.raises(ConfigError, match="total_steps is unknown"):
        getattr(schedules, shape)()


def test_join_refuses_what_does_not_add_up():
    constant = schedules.constant
    with pytest.raises(ConfigError, match="one length a phase"):
        join(10, phases=[constant, constant, constant], lengths=[1, 2])
    with pytest.raises(ConfigError, match="longer than total_steps=10"):
        join(10, phases=[constant, constant], lengths=[6, 6])
    with pytest.raises(ConfigError, match="only one phase"):
        join(10, phases=[constant, constant], lengths=[None, None])
    with pytest.raises(ConfigError, match="at least 0"):
        join(10, phases=[constant, constant], lengths=[-1, None])
    with pytest.raises(ConfigError):
        join(10, phases=[], lengths=[])

"""What holds for the shapes of cycles, roots and tails, whatever their numbers; slow recursions as the reference."""

import itertools
import math
import pickle
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_optim import ConfigError, schedules
from lit_optim.schedules.shapes.wsd import TAILS

lengths = st.integers(1, 400)
unit = st.floats(0.0, 1.0)


def falls(values):
    return all(b <= a + 1e-12 for a, b in itertools.pairwise(values))


@given(n=lengths, end=unit, decay=st.integers(0, 500), tail=st.sampled_from([*TAILS, "exp"]))
def test_wsd_is_stable_then_falls_and_ends_exactly(n, end, decay, tail):
    end = max(end, 1e-6)
    schedule = schedules.wsd(n, decay=decay, tail=tail, end_factor=end)
    values = [schedule(t) for t in range(n + 3)]
    assert values[: max(n - decay, 0)] == [1.0] * max(n - decay, 0)
    assert values[n:] == [end] * 3
    assert falls(values)
    assert all(end - 1e-12 <= value <= 1.0 for value in values)


@given(n=lengths, start=unit, end=unit)
def test_rex_is_monotone_exact_at_its_ends_and_above_the_line(n, start, end):
    schedule, line = (getattr(schedules, shape)(n, start_factor=start, end_factor=end) for shape in ("rex", "linear"))
    values = [schedule(t) for t in range(n + 3)]
    assert values[0] == pytest.approx(start, abs=1e-15)
    assert values[n:] == [end] * 3
    assert falls(values if start >= end else values[::-1])
    away = 1 if start >= end else -1
    assert all(away * (value - line(t)) >= -1e-12 for t, value in enumerate(values))


@given(n=lengths, end=unit, lower=st.floats(-9, 0), width=st.floats(0.1, 9))
def test_tanh_falls_within_its_range_and_holds(n, end, lower, width):
    schedule = schedules.tanh(n, end_factor=end, lower=lower, upper=lower + width)
    values = [schedule(t) for t in range(n + 3)]
    assert falls(values)
    assert all(end - 1e-12 <= value <= 1.0 + 1e-12 for value in values)
    assert values[n] == values[n + 1] == values[n + 2]


@given(n=lengths, k=st.floats(0.2, 5), shape=st.sampled_from(["cosine", "polynomial"]))
def test_k_decay_keeps_the_ends_and_the_order(n, k, shape):
    plain, bent = getattr(schedules, shape)(n), getattr(schedules, shape)(n, k=k)
    values = [bent(t) for t in range(n + 2)]
    assert values[0] == 1.0
    assert values[n:] == pytest.approx([0.0, 0.0], abs=1e-15)
    assert falls(values)
    sign = 1 if k >= 1 else -1
    assert all(sign * (value - plain(t)) >= -1e-12 for t, value in enumerate(values))


@given(scale=lengths, step=st.integers(0, 10**9))
def test_roots_fall_for_ever_and_meet(scale, step):
    root, noam = schedules.inverse_sqrt(timescale=scale), schedules.noam(warmup_steps=scale)
    assert 0 < root(step + 1) < root(step) <= 1
    assert 0 < noam(step) <= 1
    assert noam(scale - 1) == pytest.approx(1.0)
    assert noam(step + scale) == pytest.approx(root(step + 1), rel=1e-12)
    assert schedules.noam(warmup_steps=scale, offset=scale)(step) == noam(step + scale)
    assert schedules.noam(warmup_steps=scale, model_size=64)(step) == pytest.approx(noam(step) / 8 / math.sqrt(scale))


def slow_triangle(up, down, steps):
    """Height and cycle, one step at a time."""
    at, cycle = 0, 0
    for _ in range(steps):
        yield at / up if at <= up else 1 - (at - up) / down, cycle
        at += 1
        if at == up + down:
            at, cycle = 0, cycle + 1


@given(up=st.integers(1, 30), down=st.integers(0, 30), base=unit, gamma=st.floats(0.9, 1.0), offset=st.integers(0, 99))
def test_triangles_equal_a_slow_recursion(up, down, base, gamma, offset):
    built = {
        name: getattr(schedules, name)(
            step_size_up=up, step_size_down=down, base_factor=base, offset=offset, **({"gamma": gamma} if "exp" in name else {})
        )
        for name in ("triangular", "triangular2", "exp_range")
    }  # fmt: skip
    for i, (height, cycle) in enumerate(slow_triangle(up, down or up, 300)):
        if i >= offset:
            t = i - offset
            for name, damping in (("triangular", 1.0), ("triangular2", 0.5**cycle), ("exp_range", gamma**t)):
                assert built[name](t) == pytest.approx(base + (1 - base) * height * damping, rel=1e-12, abs=1e-15)
                assert base - 1e-12 <= built[name](t) <= 1 + 1e-12


def slow_restarts(period, mult, decay, ramp, end, steps):
    x, peak = 0, 1.0
    for _ in range(steps):
        if x == period:
            x, period, peak = 0, period * mult, max(peak * decay, end)
        half = (peak - end) / 2
        yield (
            end + 2 * half * (x + 1) / ramp
            if x < ramp
            else end + half * (1 + math.cos(math.pi * (x - ramp) / (period - ramp)))
        )
        x += 1  # fmt: skip


@given(period=st.integers(1, 40), mult=st.integers(1, 4), decay=st.floats(0.3, 1), ramp=st.integers(0, 39), end=unit)
def test_restarts_equal_a_slow_recursion(period, mult, decay, ramp, end):
    ramp = min(ramp, period - 1)
    options = dict(period=period, period_mult=mult, peak_decay=decay, cycle_warmup=ramp, end_factor=end)
    schedule = schedules.cosine_restarts(**options)
    expected = list(slow_restarts(period, mult, decay, ramp, end, 400))
    assert [schedule(t) for t in range(400)] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert all(value > 0 for value in expected[:1])


@given(n=st.integers(1, 3000), cycles=st.integers(1, 9), mult=st.integers(1, 3), end=unit)
def test_cycles_fill_the_phase_whatever_its_length(n, cycles, mult, end):
    schedule = schedules.cosine_restarts(n, cycles=cycles, period_mult=mult, end_factor=end)
    values = [schedule(t) for t in range(n + 3)]
    assert values[n:] == [end] * 3
    assert all(end - 1e-12 <= value <= 1.0 for value in values)
    rises = sum(b > a + 1e-9 for a, b in itertools.pairwise(values))
    assert rises <= cycles - 1
    if n >= 4 * cycles * mult**cycles and end < 0.9:
        assert rises == cycles - 1
        assert values[n - 1] < 1.0


@given(
    n=st.integers(1, 500), start=unit, end=unit, pct=st.floats(0, 0.5), three=st.booleans(),
    strategy=st.sampled_from(["cos", "linear"]),
)  # fmt: skip
def test_one_cycle_stays_in_range_and_never_rebounds(n, start, end, pct, three, strategy):
    options = dict(start_factor=start, end_factor=end, pct_start=pct, three_phase=three, anneal_strategy=strategy)
    schedule = schedules.one_cycle(n, **options)
    values = [schedule(t) for t in range(n + 3)]
    assert all(min(start, end) - 1e-12 <= value <= 1 + 1e-12 for value in values)
    assert values[n - 1 :] == [end] * 4
    turns = [b > a for a, b in itertools.pairwise(values) if abs(b - a) > 1e-9]
    assert sum(a != b for a, b in itertools.pairwise(turns)) <= (2 if three else 1)


FACTORIES = [
    partial(schedules.cosine, k=2.0),
    partial(schedules.cosine_restarts, period=3, period_mult=2, cycle_warmup=1),
    partial(schedules.exp_range, step_size_up=3, gamma=0.9),
    partial(schedules.inverse_sqrt, timescale=5),
    partial(schedules.lambda_, function="lit_optim.schedules.shapes.lambda_.unchanged"),
    partial(schedules.lambda_, function=partial(pow, 0.5)),
    partial(schedules.noam, warmup_steps=5),
    partial(schedules.one_cycle, three_phase=True),
    partial(schedules.polynomial, k=2.0, power=3.0),
    partial(schedules.rex, end_factor=0.1),
    partial(schedules.tanh, upper=2.0),
    partial(schedules.triangular, step_size_up=3),
    partial(schedules.triangular2, step_size_up=3, offset=3),
    partial(schedules.wsd, decay=5, tail="exp", end_factor=0.1),
]


@pytest.mark.parametrize("factory", FACTORIES, ids=lambda f: f.func.__name__)
def test_factories_pickle_and_their_schedules_have_no_memory(factory):
    schedule, again = factory(20), pickle.loads(pickle.dumps(factory))(20)
    forwards = [schedule(t) for t in range(30)]
    assert [again(t) for t in reversed(range(30))] == forwards[::-1]
    assert all(math.isfinite(value) and type(value) is float for value in forwards)


BAD = [
    ("constant", {"start_factor": -1.0}, "start_factor=-1.0"),
    ("cosine", {"k": 0.0}, "k=0.0"),
    ("polynomial", {"k": -1.0}, "k=-1.0"),
    ("inverse_sqrt", {"timescale": 0}, "timescale=0"),
    ("noam", {"warmup_steps": 0}, "warmup_steps=0"),
    ("noam", {"warmup_steps": 4, "model_size": 0}, "model_size=0"),
    ("noam", {"warmup_steps": 4, "offset": -1}, "offset=-1"),
    ("tanh", {"lower": 3.0}, "lower=3.0: must be below upper=3"),
    ("tanh", {"upper": float("inf")}, "upper=inf"),
    ("tanh", {"end_factor": -0.1}, "end_factor=-0.1"),
    ("rex", {"start_factor": -0.1}, "start_factor=-0.1"),
    *((shape, {"step_size_up": 0}, "step_size_up=0") for shape in ("triangular", "triangular2", "exp_range")),
    ("triangular", {"step_size_up": 3, "step_size_down": -1}, "step_size_down=-1"),
    ("triangular", {"step_size_up": 3, "base_factor": -0.1}, "base_factor=-0.1"),
    ("triangular", {"step_size_up": 3, "base_factor": 2.0}, "max_factor=1.0: must be at least 2"),
    ("triangular", {"step_size_up": 3, "offset": -1}, "offset=-1"),
    ("exp_range", {"step_size_up": 3, "gamma": 0.0}, "gamma=0.0"),
    ("cosine_restarts", {}, "period: give either"),
    ("cosine_restarts", {"period": 3, "cycles": 3}, "period: give either"),
    ("cosine_restarts", {"period": -3}, "period=-3"),
    ("cosine_restarts", {"period": 3, "period_mult": 0}, "period_mult=0"),
    ("cosine_restarts", {"period": 3, "peak_decay": 0.0}, "peak_decay=0.0"),
    ("cosine_restarts", {"period": 3, "cycle_warmup": 3}, "cycle_warmup=3: must be below 3"),
    ("cosine_restarts", {"cycles": 10**9}, "cycles=1000000000"),
    ("cosine_restarts", {"cycles": 100, "period_mult": 2}, "cycles=100"),
    ("cosine_restarts", {"period": 3, "end_factor": 2.0, "peak_decay": 0.9}, "start_factor=1.0: must be at least 2"),
    ("one_cycle", {"pct_start": 1.0}, "pct_start=1.0"),
    ("one_cycle", {"pct_start": -0.1}, "pct_start=-0.1"),
    ("one_cycle", {"pct_start": 0.6, "three_phase": True}, "pct_start=0.6"),
    ("one_cycle", {"anneal_strategy": "cosine"}, "anneal_strategy='cosine'"),
    ("one_cycle", {"max_factor": -1.0}, "max_factor=-1.0"),
    ("one_cycle", {"end_factor": -1.0}, "end_factor=-1.0"),
    ("wsd", {"decay": -1}, "decay=-1"),
    ("wsd", {"decay": 5, "tail": "1-sqr"}, "tail='1-sqr': no tail of that name; did you mean '1-sqrt'?"),
    ("wsd", {"decay": 5, "tail": "exp"}, "end_factor=0.0: must be above 0"),
    ("lambda", {"function": "os.system"}, "function='os.system': not a function of your own"),
    ("lambda", {"function": "math.sin"}, "function='math.sin': not a function of your own"),
    ("lambda", {"function": "shutil.rmtree"}, "function='shutil.rmtree': not a function of your own"),
    ("lambda", {"function": "torch.hub.list"}, "function='torch.hub.list': not a function of your own"),
    ("lambda", {"function": "lit_optim.ScheduleLR"}, "function='lit_optim.ScheduleLR': not a function of your own"),
    ("lambda", {"function": "nowhere.at_all"}, "function=nowhere.at_all: there is no package 'nowhere'"),
    ("lambda", {"function": 3}, "function=3: not a function"),
    ("lambda", {"function": math.exp}, "function=<built-in function exp>: not a function"),
    ("lambda", {"function": float}, "function=<class 'float'>: not a function"),
    ("lambda", {"function": lambda step: "fast"}, "function=<function"),
    ("lambda", {"function": lambda step: 1 / step}, "function=<function"),
    ("lambda", {"function": lambda step: math.nan}, "function=<function"),
]


@pytest.mark.parametrize(("shape", "arguments", "says"), BAD)
def test_out_of_range_names_the_argument(shape, arguments, says):
    with pytest.raises(ConfigError) as caught:
        getattr(schedules, shape)(100, **arguments)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("factory", [schedules.tanh, schedules.rex, schedules.one_cycle, partial(schedules.wsd, decay=5), partial(schedules.cosine_restarts, cycles=3)])  # fmt: skip
def test_a_shape_that_needs_its_length_says_so(factory):
    with pytest.raises(ConfigError, match="total_steps is unknown"):
        factory()

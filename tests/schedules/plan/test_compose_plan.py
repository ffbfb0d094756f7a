"""Slots and phases become one plan: its edges, its values, and what is refused."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lit_optim
from conftest import SCHEDULERS
from lit_optim import ConfigError
from lit_optim.duration import RunLength
from lit_optim.schedules.plan.compose_plan import compose_plan
from lit_optim.schedules.plan.phase_configs import SLOTS

WARMUPS = [
    # warmup slot of 4 steps, expected at steps 0 to 3; from step 4 on it is 1
    ({"shape": "linear"}, [0.25, 0.5, 0.75, 1.0]),
    ({"shape": "linear", "start_factor": 0.2}, [0.2, 0.4, 0.6, 0.8]),
    ({"shape": "cosine"}, [(2 - math.sqrt(2)) / 4, 0.5, (2 + math.sqrt(2)) / 4, 1.0]),
    ({"shape": "cosine", "start_factor": 0.2}, [0.2, 0.2 + 0.2 * (2 - math.sqrt(2)), 0.6, 0.2 + 0.2 * (2 + math.sqrt(2))]),
    ({"shape": "exponential", "start_factor": 1e-4}, [1e-4, 1e-3, 1e-2, 1e-1]),
    ({"shape": "constant", "start_factor": 0.1}, [0.1, 0.1, 0.1, 0.1]),
    ({"shape": "constant", "factor": 0.1}, [0.1, 0.1, 0.1, 0.1]),
    ({"shape": "constant", "min_lr": 0.5}, [0.25, 0.25, 0.25, 0.25]),  # of an lr of 2
    ({"shape": "polynomial", "power": 2.0}, [1 - 9 / 16, 0.75, 1 - 1 / 16, 1.0]),
    ({"shape": "rex"}, [1 - 6 / 7, 1 / 3, 0.6, 1.0]),
]  # fmt: skip


@pytest.mark.parametrize(("slot", "expected"), WARMUPS, ids=lambda value: str(value)[:50])
def test_warmups_of_every_shape(slot, expected):
    plan = compose_plan({"warmup": {"steps": 4, **slot}, "main": {"shape": "constant"}}, RunLength(10), base_lr=2.0)
    assert [plan.schedule(t) for t in range(4)] == pytest.approx(expected, rel=1e-12)
    assert [plan.schedule(t) for t in (4, 5, 10, 11)] == [1.0] * 4


@pytest.mark.parametrize("shape", ["constant", "exponential"])
def test_a_warmup_that_cannot_begin_at_0_asks_for_a_start_factor(shape):
    with pytest.raises(ConfigError, match=r"scheduler\.warmup\.start_factor: .* write e\.g\. start_factor: 0\.01"):
        compose_plan({"warmup": {"steps": 4, "shape": shape}}, RunLength(10))


def test_a_constant_cooldown_holds_what_main_ends_at():
    slots = {"main": {"shape": "linear", "end_factor": 0.3}, "cooldown": {"steps": 4, "shape": "constant"}}
    plan = compose_plan(slots, RunLength(10))
    assert [plan.schedule(t) for t in (0, 6, 9, 10)] == pytest.approx([1.0, 0.3, 0.3, 0.3])


def test_a_cooldown_that_leaves_nothing_to_main_begins_where_the_warmup_ends():
    plan = compose_plan({"warmup": 2, "main": {"shape": "cosine"}, "cooldown": 2}, RunLength(total_steps=4))
    assert [plan.schedule(t) for t in range(5)] == [0.5, 1.0, 1.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("total", "warmup_share", "cooldown_share", "edges"),
    [
        # exact edges 0.85 | 15.3, rounded to the nearest step, ties to even
        (17, "5%", "10%", [1, 15, 17]),
        (1003, "5%", "10%", [50, 903, 1003]),
        (25, "10%", "10%", [2, 22, 25]),
        (10, "25%", "25%", [2, 8, 10]),
        (7, "50%", "50%", [4, 7]),
        (1000, 0.0005, 0, [1000]),
    ],
)
def test_edges_of_phases_are_rounded_cumulatively(total, warmup_share, cooldown_share, edges):
    plan = compose_plan({"warmup": warmup_share, "cooldown": cooldown_share}, RunLength(total))
    assert [phase.stop for phase in plan.phases] == edges


@given(
    total=st.integers(1, 10_000),
    shares=st.lists(st.integers(0, 50), min_size=2, max_size=2),
)
def test_rounded_phases_sum_to_the_run(total, shares):
    slots = {"warmup": f"{shares[0]}%", "main": {"shape": "cosine"}, "cooldown": f"{shares[1]}%"}
    plan = compose_plan(slots, RunLength(total))
    assert plan.stop == total
    edges = [(phase.start, phase.stop) for phase in plan.phases]
    assert edges[0][0] == 0
    assert edges[-1][1] == total
    assert all(before[1] == after[0] for before, after in itertools.pairwise(edges))
    assert {phase.name for phase in plan.phases} <= set(SLOTS)


@given(total=st.integers(3, 300), cooldown=st.integers(1, 100), end=st.floats(0, 1), main_end=st.floats(0, 1))
def test_a_cooldown_begins_where_main_ends(total, cooldown, end, main_end):
    if cooldown >= total:
        return
    slots = {"main": {"shape": "linear", "end_factor": main_end}, "cooldown": {"steps": cooldown, "end_factor": end}}
    plan = compose_plan(slots, RunLength(total))
    assert plan.schedule(total - cooldown) == pytest.approx(main_end)
    assert plan.schedule(total) == pytest.approx(end)


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name.startswith("warmup_") and "plateau" not in name])
@pytest.mark.parametrize("total", [100, 1000, 12_345])
def test_warmup_presets_meet_their_main_phase(name, total):
    slots = {k: v for k, v in lit_optim.compose([f"scheduler={name}"]).scheduler.items() if k in SLOTS}  # fmt: skip
    plan = compose_plan(slots, RunLength(total))
    begins = plan.phases[1].start
    assert plan.schedule(begins - 1) == 1.0
    assert plan.schedule(begins) == pytest.approx(1.0, abs=0.1 if "noam" in name else 1e-3)


def test_noam_with_its_ramp_in_the_warmup_slot_is_noam():
    plain, slotted = (
        compose_plan(dict(lit_optim.compose([f"scheduler={name}"]).scheduler), RunLength(1000)) for name in ("noam", "warmup_noam")
    )  # fmt: skip
    for t in range(1002):
        assert slotted.schedule(t) == pytest.approx(plain.schedule(t), rel=1e-12)


def test_every_preset_works_in_the_shortest_runs():
    for name in SCHEDULERS:
        slots = {k: v for k, v in lit_optim.compose([f"scheduler={name}"]).scheduler.items() if k in SLOTS}
        for total in (1, 2, 3, 9, 10):
            plan = compose_plan(slots, RunLength(total))
            assert all(0 <= plan.schedule(t) <= 1 for t in range(total + 2)), (name, total)


LONG = [
    {"shape": "wsd", "decay": 5000},
    {"shape": "cosine_restarts", "cycles": 3, "cycle_warmup": 5000},
    {"shape": "cosine_restarts", "period": 50_000, "cycle_warmup": 5000},
    {"shape": "inverse_sqrt", "timescale": 40_000},
    {"shape": "noam", "warmup_steps": 4000, "model_size": 512},
    {"shape": "triangular", "step_size_up": 20_000, "step_size_down": "2ep", "offset": 20_000},
    {"shape": "exp_range", "step_size_up": "1%", "gamma": 0.99994},
    {"shape": "lambda", "function": "lit_optim.schedules.shapes.lambda_.unchanged"},
]


@pytest.mark.parametrize("main", LONG, ids=lambda main: main["shape"])
def test_lengths_in_steps_are_checked_against_the_run_and_no_other(main):
    lit_optim.validate({"optimizer": "sgd", "scheduler": {"main": main}})
    assert compose_plan({"main": main}, RunLength(10**6, 10**4)).schedule(0) > 0


WRONG = [
    ({"shape": "wsd", "decay": "10%", "tail": "exp"}, "scheduler.main.end_factor=0.0: must be above 0"),
    ({"shape": "wsd", "decay": "10%", "tail": "1-sqr"}, "scheduler.main.tail='1-sqr': wsd expects"),
    ({"shape": "wsd"}, "scheduler.main.decay: wsd needs a value for it"),
    ({"shape": "lambda", "function": "os.system"}, "scheduler.main.function='os.system': not a function of your own"),
    ({"shape": "lambda", "function": "no.such"}, "scheduler.main.function=no.such: there is no package 'no'"),
    ({"shape": "lambda"}, "scheduler.main.function: lambda needs a value for it"),
    ({"shape": "lamda"}, "scheduler.main.shape='lamda': no shape of that name; did you mean 'lambda'?"),
    ({"shape": "one_cycle", "pct_start": 1.5}, "scheduler.main.pct_start=1.5: must be a share of the phase"),
    ({"shape": "triangular", "step_size_up": "5 parsecs"}, "scheduler.main.step_size_up='5 parsecs': not a duration"),
    ({"shape": "cosine_restarts", "period": "10%", "cycles": 3}, "scheduler.main.period: give either"),
]


@pytest.mark.parametrize(("main", "says"), WRONG)
def test_a_configuration_is_refused_by_its_dotted_key(main, says):
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate({"optimizer": "sgd", "scheduler": {"main": main}})
    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["warmup", "a"])
def test_a_phase_may_take_a_rest_of_which_nothing_is_left(name):
    phases = {name: {"steps": "rest"}, "b": {"steps": 3, "shape": "linear"}}
    plan = compose_plan({"phases": phases, "order": [name, "b"]}, RunLength(total_steps=3))
    assert [plan.schedule(step) for step in range(4)] == pytest.approx([1, 2 / 3, 1 / 3, 0])

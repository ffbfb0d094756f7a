"""Every shape at steps whose value can be computed by hand."""

import math

import pytest

from lit_optim import schedules
from lit_optim.duration import Clock
from lit_optim.schedules import join, warmup
from lit_optim.schedules.slots import compose

GOLDEN = [
    # shape, total steps, arguments, {step: factor}
    ("constant", None, {}, {0: 1.0, 10**9: 1.0}),
    ("constant", 5, {"factor": 0.25}, {0: 0.25, 5: 0.25, 6: 0.25}),
    ("linear", 10, {}, {0: 1.0, 1: 0.9, 5: 0.5, 9: 0.1, 10: 0.0, 11: 0.0, 10**9: 0.0}),
    ("linear", 4, {"start_factor": 0.2, "end_factor": 1.0}, {0: 0.2, 1: 0.4, 2: 0.6, 3: 0.8, 4: 1.0, 5: 1.0}),
    ("cosine", 4, {}, {0: 1.0, 1: (2 + math.sqrt(2)) / 4, 2: 0.5, 3: (2 - math.sqrt(2)) / 4, 4: 0.0, 5: 0.0, 8: 0.0}),
    ("cosine", 6, {"end_factor": 0.1}, {0: 1.0, 2: 0.775, 3: 0.55, 4: 0.325, 6: 0.1, 7: 0.1, 12: 0.1}),
    ("cosine", 2, {"start_factor": 0.0, "end_factor": 1.0}, {0: 0.0, 1: 0.5, 2: 1.0}),
    ("step", None, {"step_size": 3}, {0: 1.0, 2: 1.0, 3: 0.1, 5: 0.1, 6: 0.01, 9: 0.001}),
    ("step", None, {"step_size": 1, "gamma": 0.5}, {0: 1.0, 1: 0.5, 10: 1 / 1024}),
    ("multistep", None, {"milestones": [2, 5]}, {0: 1.0, 1: 1.0, 2: 0.1, 4: 0.1, 5: 0.01, 100: 0.01}),
    ("multistep", None, {"milestones": [5, 2, 5], "gamma": 0.5}, {1: 1.0, 2: 0.5, 5: 0.125}),
    ("multistep", None, {"milestones": []}, {0: 1.0, 9: 1.0}),
    ("exponential", None, {"gamma": 0.9}, {0: 1.0, 1: 0.9, 2: 0.81, 10: 0.3486784401}),
    ("exponential", 4, {"end_factor": 0.0001}, {0: 1.0, 1: 0.1, 2: 0.01, 3: 0.001, 4: 0.0001, 5: 0.0001}),
    ("polynomial", 4, {"power": 2.0}, {0: 1.0, 1: 0.5625, 2: 0.25, 3: 0.0625, 4: 0.0, 5: 0.0}),
    ("polynomial", 10, {"power": 0.5, "end_factor": 0.2}, {0: 1.0, 10: 0.2, 19: 0.2, 9: 0.2 + 0.8 * math.sqrt(0.1)}),
    ("polynomial", 5, {}, {0: 1.0, 1: 0.8, 4: 0.2, 5: 0.0}),
]


@pytest.mark.parametrize(("shape", "total_steps", "arguments", "expected"), GOLDEN)
def test_values_computed_by_hand(shape, total_steps, arguments, expected):
    schedule = getattr(schedules, shape)(total_steps, **arguments)
    assert {t: schedule(t) for t in expected} == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_every_shape_but_the_metric_driven_one_is_in_the_table():
    assert {row[0] for row in GOLDEN} == set(schedules.shape_names()) - {"plateau"}


def test_a_phase_without_length_is_at_its_end():
    assert schedules.cosine(0)(0) == 0.0
    assert schedules.linear(0, end_factor=0.3)(0) == 0.3


@pytest.mark.parametrize("start_factor", [None, 0.0, 0.1, 1.0])
def test_warmup_ramps_by_the_documented_formula(start_factor):
    schedule = warmup(10, warmup_steps=4, after=schedules.constant, start_factor=start_factor)
    if start_factor is None:
        expected = [0.25, 0.5, 0.75, 1.0]  # (t + 1) / W: never 0, and 1 at its last step
    else:
        expected = [start_factor + (1 - start_factor) * t / 4 for t in range(4)]
    assert [schedule(t) for t in range(4)] == pytest.approx(expected, rel=1e-15)
    assert [schedule(t) for t in (4, 9, 10, 50)] == [1.0] * 4


def test_after_a_warmup_the_next_phase_begins_at_its_own_step_0_and_ends_with_the_run():
    schedule = warmup(12, warmup_steps=2, after=schedules.linear)
    assert [schedule(t) for t in (0, 1, 2, 7, 11, 12, 13)] == pytest.approx([0.5, 1.0, 1.0, 0.5, 0.1, 0.0, 0.0])


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
    plan = compose({"warmup": warmup_share, "cooldown": cooldown_share}, Clock(total))
    assert [phase.stop for phase in plan.phases] == edges


def test_join_of_three_phases():
    down = schedules.linear
    schedule = join(9, phases=[schedules.constant, down, lambda n: down(n, start_factor=0.5)], lengths=[3, None, 2])
    expected = [1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.5, 0.25, 0.0, 0.0]
    assert [schedule(t) for t in range(11)] == pytest.approx(expected, abs=1e-15)

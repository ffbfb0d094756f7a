"""Every shape at steps whose value can be computed by hand."""

import math

import pytest

from lit_optim import schedules
from lit_optim.duration import RunLength
from lit_optim.schedules import join, warmup
from lit_optim.schedules.plan.compose_plan import compose_plan

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
    ("constant", None, {"factor": 0.5, "start_factor": 0.5}, {0: 0.25, 9: 0.25}),
    ("cosine", 4, {"k": 2.0}, {0: 1.0, 2: (2 + math.sqrt(2)) / 4, 4: 0.0, 5: 0.0}),
    ("polynomial", 4, {"k": 2.0}, {0: 1.0, 1: 0.9375, 2: 0.75, 3: 0.4375, 4: 0.0, 5: 0.0}),
    ("polynomial", 4, {"k": 0.5, "power": 2.0, "end_factor": 0.2}, {0: 1.0, 1: 0.4, 4: 0.2, 9: 0.2}),
    ("inverse_sqrt", None, {"timescale": 9}, {0: 1.0, 16: 0.6, 27: 0.5, 72: 1 / 3, 891: 0.1}),
    ("noam", None, {"warmup_steps": 4}, {0: 0.25, 1: 0.5, 2: 0.75, 3: 1.0, 8: 2 / 3, 15: 0.5, 99: 0.2}),
    ("noam", None, {"warmup_steps": 4, "model_size": 4}, {0: 0.0625, 3: 0.25, 15: 0.125}),
    ("noam", None, {"warmup_steps": 4, "offset": 4}, {0: math.sqrt(0.8), 11: 0.5, 95: 0.2}),
    ("noam", None, {"warmup_steps": 1}, {0: 1.0, 3: 0.5}),
    # (1 - tanh(x)) / 2 = 1 / (1 + exp(2 x)) at x = -6, -3, 0, 3
    ("tanh", 9, {}, {0: 1 / (1 + math.exp(-12)), 3: 1 / (1 + math.exp(-6)), 6: 0.5, 9: 1 / (1 + math.exp(6))}),
    ("tanh", 9, {"end_factor": 0.2}, {6: 0.6, 9: 0.2 + 0.8 / (1 + math.exp(6)), 99: 0.2 + 0.8 / (1 + math.exp(6))}),
    ("tanh", 2, {"lower": -1.0, "upper": 1.0}, {0: 1 / (1 + math.exp(-2)), 1: 0.5, 2: 1 / (1 + math.exp(2))}),
    ("rex", 4, {}, {0: 1.0, 1: 6 / 7, 2: 2 / 3, 3: 0.4, 4: 0.0, 5: 0.0}),
    ("rex", 4, {"end_factor": 0.1}, {0: 1.0, 2: 0.7, 4: 0.1, 9: 0.1}),
    ("triangular", None, {"step_size_up": 3}, {0: 0.25, 1: 0.5, 3: 1.0, 4: 0.75, 6: 0.25, 9: 1.0, 6 * 10**12: 0.25}),
    ("triangular", None, {"step_size_up": 4, "step_size_down": 2, "base_factor": 0.2},
     {0: 0.2, 1: 0.4, 2: 0.6, 4: 1.0, 5: 0.6, 6: 0.2, 7: 0.4, 10: 1.0, 606: 0.2}),
    ("triangular", None, {"step_size_up": 2, "base_factor": 0.0, "offset": 2}, {0: 1.0, 1: 0.5, 2: 0.0, 3: 0.5, 4: 1.0}),
    ("triangular2", None, {"step_size_up": 2, "base_factor": 0.2},
     {0: 0.2, 1: 0.6, 2: 1.0, 4: 0.2, 5: 0.4, 6: 0.6, 8: 0.2, 10: 0.4}),
    ("triangular2", None, {"step_size_up": 1, "base_factor": 1.0, "max_factor": 3.0}, {0: 1.0, 1: 3.0, 3: 2.0, 5: 1.5}),
    ("triangular2", None, {"step_size_up": 2, "base_factor": 0.0, "offset": 2}, {0: 1.0, 1: 0.5, 2: 0.0, 4: 0.5, 8: 0.25}),
    ("exp_range", None, {"step_size_up": 2, "base_factor": 0.0, "gamma": 0.5},
     {0: 0.0, 1: 0.25, 2: 0.25, 3: 0.0625, 4: 0.0, 5: 0.015625}),
    ("exp_range", None, {"step_size_up": 2, "base_factor": 0.5, "gamma": 0.5, "offset": 2},
     {0: 1.0, 1: 0.625, 2: 0.5, 3: 0.53125, 4: 0.53125}),
    ("cosine_restarts", None, {"period": 4}, {0: 1.0, 2: 0.5, 3: (2 - math.sqrt(2)) / 4, 4: 1.0, 402: 0.5}),
    ("cosine_restarts", None, {"period": 2, "period_mult": 2},
     {0: 1.0, 1: 0.5, 2: 1.0, 3: (2 + math.sqrt(2)) / 4, 4: 0.5, 6: 1.0, 10: 0.5, 14: 1.0}),
    ("cosine_restarts", None, {"period": 4, "peak_decay": 0.5}, {0: 1.0, 2: 0.5, 4: 0.5, 6: 0.25, 8: 0.25, 10: 0.125}),
    ("cosine_restarts", None, {"period": 2, "peak_decay": 0.1, "end_factor": 0.2}, {0: 1.0, 1: 0.6, 2: 0.2, 5: 0.2}),
    ("cosine_restarts", None, {"period": 6, "cycle_warmup": 2, "end_factor": 0.2},
     {0: 0.6, 1: 1.0, 2: 1.0, 4: 0.6, 6: 0.6, 7: 1.0, 8: 1.0, 10: 0.6}),
    ("cosine_restarts", 8, {"period": 4}, {0: 1.0, 4: 1.0, 6: 0.5, 8: 0.0, 9: 0.0, 10**9: 0.0}),
    ("cosine_restarts", 6, {"period": 4}, {4: 1.0, 6: 0.5, 7: 0.5, 10**9: 0.5}),
    ("cosine_restarts", 14, {"cycles": 3, "period_mult": 2}, {0: 1.0, 1: 0.5, 2: 1.0, 4: 0.5, 6: 1.0, 10: 0.5, 14: 0.0, 15: 0.0}),
    ("cosine_restarts", 9, {"cycles": 3, "cycle_warmup": 5}, {0: 0.5, 1: 1.0, 2: 1.0, 3: 0.5, 5: 1.0, 8: 1.0, 9: 0.0}),
    # 10 * (3 ** 5 - 1) / 2 and 10 * (10 ** 3 - 1) / 9: where a logarithm of floats misses the restart
    ("cosine_restarts", None, {"period": 10, "period_mult": 3}, {1210: 1.0, 1210 + 1215: 0.5}),
    ("cosine_restarts", None, {"period": 10, "period_mult": 10}, {1110: 1.0, 6110: 0.5}),
    ("one_cycle", 9, {"start_factor": 0.2, "end_factor": 0.0, "pct_start": 5 / 9},
     {0: 0.2, 2: 0.6, 4: 1.0, 6: 0.5, 8: 0.0, 9: 0.0, 100: 0.0}),
    ("one_cycle", 10, {"start_factor": 0.2, "end_factor": 0.1, "three_phase": True, "anneal_strategy": "linear"},
     {0: 0.2, 1: 0.6, 2: 1.0, 3: 0.6, 4: 0.2, 5: 0.18, 9: 0.1, 10: 0.1}),
    ("one_cycle", 10, {}, {0: 0.04, 1: 0.52, 2: 1.0, 9: 4e-6, 10: 4e-6, 10**9: 4e-6}),
    ("one_cycle", 4, {"pct_start": 0.0, "end_factor": 0.0, "anneal_strategy": "linear"}, {0: 0.75, 1: 0.5, 2: 0.25, 3: 0.0}),
    ("one_cycle", 1, {}, {0: 4e-6, 1: 4e-6}),
    ("wsd", 8, {"decay": 4, "tail": "linear"}, {0: 1.0, 4: 1.0, 5: 0.75, 6: 0.5, 7: 0.25, 8: 0.0, 9: 0.0}),
    ("wsd", 8, {"decay": 4, "tail": "cosine"}, {0: 1.0, 4: 1.0, 5: (2 + math.sqrt(2)) / 4, 6: 0.5, 8: 0.0, 12: 0.0}),
    ("wsd", 8, {"decay": 4, "end_factor": 0.2}, {0: 1.0, 4: 1.0, 5: 0.6, 8: 0.2, 9: 0.2}),
    ("wsd", 8, {"decay": 4, "tail": "1-square"}, {0: 1.0, 4: 1.0, 5: 0.9375, 6: 0.75, 7: 0.4375, 8: 0.0}),
    ("wsd", 8, {"decay": 4, "tail": "exp", "end_factor": 1e-4}, {4: 1.0, 5: 0.1, 6: 0.01, 7: 0.001, 8: 1e-4, 9: 1e-4}),
    ("wsd", 8, {"decay": 0}, {0: 1.0, 7: 1.0, 8: 0.0}),
    ("wsd", 4, {"decay": 20, "tail": "linear"}, {0: 1.0, 1: 0.75, 4: 0.0}),
    ("lambda", None, {"function": lambda step: 0.5**step}, {0: 1.0, 3: 0.125}),
    ("lambda", None, {"function": "lit_optim.schedules.shapes.lambda_.unchanged"}, {0: 1.0, 3: 1.0}),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "total_steps", "arguments", "expected"), GOLDEN)
def test_values_computed_by_hand(shape, total_steps, arguments, expected):
    schedule = getattr(schedules, shape)(total_steps, **arguments)
    assert {t: schedule(t) for t in expected} == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_every_shape_but_the_metric_driven_one_is_in_the_table():
    assert {row[0] for row in GOLDEN} == set(schedules.shape_names()) - {"plateau"}


def test_a_phase_without_length_is_at_its_end():
    assert schedules.cosine(0)(0) == 0.0
    assert schedules.linear(0, end_factor=0.3)(0) == 0.3
    assert schedules.one_cycle(0)(0) == 4e-6
    assert schedules.wsd(0, decay=5, end_factor=0.3)(0) == 0.3
    assert schedules.rex(0, end_factor=0.3)(0) == 0.3
    assert schedules.cosine_restarts(0, period=5, end_factor=0.3)(0) == 0.3
    assert schedules.cosine_restarts(0, cycles=3, end_factor=0.3)(0) == 0.3


@pytest.mark.parametrize(("shape", "arguments"), [(shape, arguments) for shape, _, arguments, _ in GOLDEN])
def test_a_phase_of_no_steps_is_as_good_as_not_there(shape, arguments):
    phases = {"off": {"steps": 0, "shape": shape, **arguments}, "fall": {"shape": "linear"}}
    plan = compose_plan({"phases": phases, "order": ["off", "fall"]}, RunLength(total_steps=4))
    assert [plan.schedule(t) for t in range(5)] == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert [phase.name for phase in plan.phases] == ["fall"]


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


def test_join_of_three_phases():
    down = schedules.linear
    schedule = join(9, phases=[schedules.constant, down, lambda n: down(n, start_factor=0.5)], lengths=[3, None, 2])
    expected = [1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.5, 0.25, 0.0, 0.0]
    assert [schedule(t) for t in range(11)] == pytest.approx(expected, abs=1e-15)

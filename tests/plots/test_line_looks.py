import math

import pytest

from lit_optim.plots.line_looks import are_far_apart, line_looks
from lit_optim.plots.panel import draw_lines, new_figure

COSINE = [(1 + math.cos(math.pi * i / 8)) / 2 for i in range(8)]
FLAT = [1.0] * 8


def times(lr, factors):
    return [lr * factor for factor in factors]


def test_color_is_the_schedule_and_dashes_are_the_lr():
    series = [times(lr, factors) for factors in (COSINE, FLAT) for lr in (1e-3, 1e-4, 3e-5)]
    assert line_looks(series) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


def test_thirty_levels_look_differently():
    assert len({*line_looks([times(0.9**i, COSINE) for i in range(30)])}) == 30


def test_fifteen_schedules_look_differently():
    assert len({*line_looks([[1.0, i / 20] for i in range(15)])}) == 15


def test_what_cannot_be_scaled():
    assert line_looks([[0.0, 0.0], [math.nan, 0.0], [1.0, math.inf]])
    assert not are_far_apart([[0.0], [math.nan]])


@pytest.mark.parametrize(("lrs", "scale"), [((1e-3, 1e-4), "log"), ((1e-3, 5e-4), "linear"), ((1e-3, 0.0), "linear")])
def test_a_logarithmic_axis_for_lrs_that_are_far_apart(lrs, scale):
    axes = new_figure(4, 3).subplots()
    draw_lines(axes, [(str(lr), (range(8), times(lr, COSINE))) for lr in lrs])
    assert axes.get_yscale() == scale
    if scale == "log":
        assert axes.get_ylim()[0] < 1e-4 / 2

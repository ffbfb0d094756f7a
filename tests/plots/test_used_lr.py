"""The picture of a run's lr, where there is little to draw."""

import math

import pytest

from lit_optim.plots.used_lr import draw_report
from lit_optim.schedules.plan.plan import Phase


@pytest.mark.parametrize("values", [[math.nan, math.nan], [math.nan, 0.1], [0.0, 0.0]])
def test_values_without_a_range(values, tmp_path):
    file = tmp_path / "lr.png"
    draw_report([0, 1], {"a": values, "b": [0.0, 0.0]}, [Phase("warmup", 0, 1), Phase("main", 1, None)]).savefig(file)
    assert file.read_bytes().startswith(b"\x89PNG")
    draw_report([0, 1], {"a": values}).savefig(file)


def test_one_step_is_a_dot():
    (line,) = draw_report([7], {"a": [0.1]}).axes[0].lines
    assert line.get_marker() == "o"

"""The picture of a comparison: what its panels hold."""

import math

from lit_optim.plots.comparison import ComparedOptimizer, draw_comparison

ADAM = ComparedOptimizer("adam", (0.5, 0.25, math.nan), (0.375, 0.25, 0.5), ((1, 0.9, 0.8, 1.0), (2, 0.375, 0.25, 0.5)))
SGD = ComparedOptimizer("s$gd$" + "x" * 60, (), (math.nan, -math.inf, math.inf), ())


def test_scores_intervals_and_curves_are_drawn(tmp_path):
    figure = draw_comparison([ADAM, SGD], "val/loss", "test/$loss", "a " * 200)
    scores, curves = figure.axes
    drawn = [line.get_xydata().tolist() for line in scores.lines if len(line.get_xdata())]
    assert drawn == [[[0.5, 0], [0.25, 0]], [[0.25, 0], [0.5, 0]], [[0.375, 0]]]
    assert [line.get_xydata().tolist() for line in curves.lines] == [[[1, 0.9], [2, 0.375]]]
    assert len(curves.collections) == 1
    assert [label.get_text() for label in scores.get_yticklabels()] == [
        "adam\n1 of 3 runs failed", r"s\$gd\$" + "x" * 30 + "…"
    ]  # fmt: skip
    figure.savefig(tmp_path / "a.png")


def test_an_interval_of_one_run_and_its_band_are_left_out():
    one = ComparedOptimizer("adam", (0.5,), (0.5, -math.inf, math.inf), ((1, 0.5, -math.inf, math.inf),))
    scores, curves = draw_comparison([one], "a", "a", "").axes
    assert [line.get_xydata().tolist() for line in scores.lines] == [[[0.5, 0]], [[0.5, 0]]]
    assert len(curves.collections) == 0


def test_nothing_at_all_is_drawn(tmp_path):
    draw_comparison([], "a", "a", "").savefig(tmp_path / "a.png")

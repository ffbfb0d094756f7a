"""The cockpit picture."""

import math

from lit_optim.plots.health import USUAL, draw_health

NAN = math.nan


def test_a_panel_for_each_quantity_that_was_measured_and_a_line_for_each_group():
    values = {
        "update_ratio": {"body": [1e-3, 2e-3, NAN], "head": [NAN, 0.1, 0.2]},
        "cosine": {"body": [0.1, NAN, 0.3], "head": [NAN] * 3},
        "saturation": {"body": [NAN] * 3},
    }
    figure = draw_health([5, 10, 20], values, "AdamW", ["group head: update/weight 0.1"])
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == [
        "update / weight (shaded: usual)",
        "cosine of update and descent",
    ]
    lines = {line.get_label(): line for line in shown[0].lines}
    assert list(lines["body"].get_xdata()) == [5, 10]  # a gap where another optimizer stepped is no gap in the line
    assert list(lines["head"].get_ydata()) == [0.1, 0.2]
    assert lines["body"].get_color() != lines["head"].get_color()
    assert shown[0].get_yscale() == "log"
    assert shown[1].get_ylim() == (-1.05, 1.05)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["body", "head"]
    assert figure.get_supxlabel() == "group head: update/weight 0.1"
    assert USUAL == (1e-4, 1e-2)


def test_more_groups_than_colors_and_nothing_to_warn_of():
    figure = draw_health([1], {"cosine": {f"g{i}": [0.5] for i in range(14)}})
    looks = {(line.get_color(), str(line._unscaled_dash_pattern)) for line in figure.axes[0].lines}
    assert len(looks) == 14
    assert figure.get_supxlabel() == "no warnings"


def test_nothing_measured_can_be_drawn():
    assert not [axes for axes in draw_health([1], {"cosine": {"all": [NAN]}}).axes if axes.get_visible()]


def test_a_long_warning_stays_within_the_picture():
    warning = "group body: " + "NaN or infinity in the weights " * 10
    figure = draw_health([1], {"cosine": {"all": [0.5]}}, "", [warning])
    figure.draw_without_rendering()
    assert figure.get_supxlabel().split() == warning.split()
    assert figure._supxlabel.get_window_extent().x1 < figure.bbox.x1
    assert figure.get_figheight() > draw_health([1], {"cosine": {"all": [0.5]}}, "", ["short"]).get_figheight()

"""The charts: places, ticks, names and numbers that are hostile, and what is read out."""

import json
import math
import re
from xml.etree import ElementTree

import pytest

from lit_optim.cli.report.page.axes import Scale, linear_ticks, log_ticks, scale_of
from lit_optim.cli.report.page.curves import MOST, Line, line_chart, thinned
from lit_optim.cli.report.page.dots import Dots, Trials, dot_chart, trial_chart
from lit_optim.cli.report.page.markup import Markup, concat, figure_of, html_table, tag
from lit_optim.cli.report.page.picture import WIDTH, dashes_of, look_of, marker, spread

NAN, INF = math.nan, math.inf
HOSTILE = "<script>alert('\"&\x1b[31m\ud800')</script>"


def parsed(markup):
    """The elements of a chart, by an XML parser: nothing is left open, nothing of a name is an element."""
    found = ElementTree.fromstring(markup)
    assert not list(found.iter("script"))
    return found


def stops_of(markup):
    return json.loads(next(parsed(markup).iter("svg")).get("data-stops"))


def places_of(markup):
    """All places of paths that are drawn with absolute M, L, H and V."""
    for path in parsed(markup).iter("path"):
        if "transform" not in path.attrib:
            yield from (float(x) for x in re.findall(r"[MLH](-?[\d.]+)", path.get("d")))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 1000, [0, 200, 400, 600, 800, 1000]),
        (0.31, 0.34, [0.31, 0.32, 0.33, 0.34]),
        (-2, 3, [-2, -1, 0, 1, 2, 3]),
        (1e9, 1.1e9, [1e9, 1.02e9, 1.04e9, 1.06e9, 1.08e9, 1.1e9]),
        (0, 3e-7, [0, 1e-7, 2e-7, 3e-7]),
    ],
)
def test_linear_ticks_are_round(low, high, expected):
    assert linear_ticks(low, high, 5) == pytest.approx(expected, abs=0)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1e-5, 1.0, [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]),
        (1e-12, 1.0, [1e-12, 1e-9, 1e-6, 1e-3, 1.0]),
        (0.2, 2.0, [0.2, 0.5, 1.0, 2.0]),
        (0.31, 0.34, [0.31, 0.32, 0.33, 0.34]),
    ],
)
def test_logarithmic_ticks_are_round(low, high, expected):
    assert log_ticks(low, high, 5) == pytest.approx(expected)


def test_a_scale_shows_what_is_finite_and_cuts_off_what_is_far():
    assert scale_of([], 0.0, 1.0)[:2] == (0.0, 1.0)
    assert scale_of([NAN, INF, -INF, 3.0], 0.0, 1.0).holds(3.0)
    assert all(map(math.isfinite, scale_of([-1.7e308, 1e299, 1.7e308], 0.0, 1.0)[:2]))
    assert scale_of([3.0], 0.0, 1.0).low < 3.0 < scale_of([3.0], 0.0, 1.0).high
    assert scale_of([0.0], 0.0, 1.0).low < 0.0
    assert scale_of([-1.0, 0.0, NAN], 0.0, 1.0, log=True)[:2] == (1.0, 10.0)
    values = [*(1 + i / 100 for i in range(100)), 1e9]
    assert scale_of(values, 0.0, 1.0, cut=True).high < 3.0
    assert scale_of(values, 0.0, 1.0).high > 1e9
    assert scale_of([-1e9, *values[:100]], 0.0, 1.0, cut=True).low > -2.0
    assert scale_of([1e-30, 1.0], 0.0, 1.0, log=True).low == pytest.approx(1e-6, rel=0.9)
    assert scale_of([*[0.1] * 90, 1.0], 0.0, 1.0, cut=True).holds(1.0)  # a spike above what is constant
    assert scale_of([*[0.1] * 90, -1.0], 0.0, 1.0, cut=True).holds(-1.0)


def test_places_on_a_scale():
    log = Scale(1e-4, 1.0, 100.0, 0.0, log=True)
    assert [log.at(v) for v in (1e-4, 1e-2, 1.0)] == pytest.approx([100, 50, 0])
    assert (log.at(0.0), log.at(-5.0), log.at(INF)) == (100.0, 100.0, 0.0)
    assert not log.holds(NAN)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (0.123456, "0.1235"),
        (1234567, "1,234,567"),
        (1e8, "1e8"),
        (1.5e-5, "1.5e\u22125"),
        (-INF, "\u2212∞"),
        (100, "100"),
    ],
)
def test_numbers_for_readers(value, expected):
    assert figure_of(value) == expected


def test_text_is_escaped_wherever_it_is_put():
    made = tag("p", HOSTILE, tag("b", HOSTILE), title=HOSTILE)
    assert "<script" not in made
    assert "\ud800" not in made
    assert "\x1b" not in made
    assert parsed(made).find("b").text == parsed(made).get("title") == "<script>alert('\"&\ufffd[31m\ufffd')</script>"
    assert concat(("<", Markup("<br>"))) == "&lt;<br>"
    shown = parsed(html_table(HOSTILE, [HOSTILE], [[HOSTILE, HOSTILE]]))
    assert len(list(shown.iter())) == 11  # box, table, caption, span, thead, tr, th, tbody, tr, th and td
    assert [each.get("scope") for each in shown.iter("th")] == ["col", "row"]


def charts(name):
    line = Line(name, 0, [1, 2, 3, 4], [NAN, 1.0, INF, 2.0], [0.0, 0.5, 0.0, -INF], [2.0, 1.5, INF, INF])
    row = Dots(name, 0, [1.0, INF, NAN], [name, "b", "c"], 1.0, 0.5, INF, name)
    return [
        line_chart([line], name, name, name, note=name),
        line_chart([line], name, name, name, log=True, log_x=True),
        line_chart([line._replace(x=[1], y=[1.0], low=(), high=())], name, name, name),
        line_chart([line._replace(x=[0, 0], y=[0.0, 0.0], low=(), high=())], name, name, name),
        line_chart([line._replace(x=(), y=())], name, name, name),
        line_chart([line._replace(y=[NAN] * 4)], name, name, name, log=True),
        line_chart([], name, name, name),
        dot_chart([row], name, name, name, note=name),
        dot_chart([row._replace(values=(), labels=(), center=NAN, low=NAN, high=NAN)], name, name, name, zero=True),
        dot_chart([row._replace(values=[INF, INF, INF])], name, name, name, zero=True),
        dot_chart([], name, name, name),
        trial_chart([Trials(name, 0, [0.1, 0.0, 0.2], [1.0, 1.0, NAN])], name, name, name),
        trial_chart([Trials(name, 0, [], [])], name, name, name),
        trial_chart([], name, name, name),
    ]


@pytest.mark.parametrize("name", [HOSTILE, "a" * 300, ""])
@pytest.mark.parametrize("number", range(14))
def test_every_chart_is_well_formed_and_inside_its_picture(number, name):
    made = charts(name)[number]
    picture = next(parsed(made).iter("svg"))
    assert picture.get("role") == "img"
    assert picture.get("aria-label").strip()
    drawn = re.sub(r'aria-label="[^"]*"|data-stops="[^"]*"|<text.*?</text>|<fig.*?>|<p.*', "", made)
    assert not re.search(r"\b(nan|inf)\b", drawn)
    assert all(-1 <= x <= WIDTH + 1 for x in places_of(made))


def test_a_line_ends_where_its_value_is_not_finite():
    made = line_chart([Line("a", 0, [0, 1, 2, 3, 4], [1.0, 2.0, NAN, 3.0, 4.0])], "t", "a", "x")
    assert [path.get("d").count("L") for path in parsed(made).iter("path") if path.get("class") == "l"] == [1, 1]


def test_a_diverged_line_is_cut_off_and_said_to_be():
    steady, wild = [1 - i / 100 for i in range(50)], [1 - i / 100 for i in range(49)] + [1e12]
    made = line_chart([Line("adam", 0, range(50), steady), Line("wild", 1, range(50), wild)], "t", "a", "x")
    assert "Cut off: wild leaves the axis." in made
    assert "adam leaves" not in made
    assert "1e12" not in re.sub('data-stops="[^"]*"', "", made)


def test_what_is_read_out_along_a_line_chart():
    lines = [
        Line("adam", 0, [10, 20], [0.5, 0.25], [0.4, 0.2], [0.6, 0.3]),
        Line("sgd", 1, [20, 30], [0.75, NAN]),
    ]
    stops = stops_of(line_chart(lines, "t", "a", "steps", unit="step"))
    assert [stop[2] for stop in stops] == ["step 10", "step 20", "step 30"]
    assert stops[0][3] == [[0, "adam 0.5 [0.4, 0.6]"]]
    assert stops[1][3] == [[0, "adam 0.25 [0.2, 0.3]"], [1, "sgd 0.75"]]
    assert stops[2][3] == [[0, "adam 0.25 [0.2, 0.3]"], [1, "sgd \u2013"]]
    assert stops[0][0] < stops[1][0] < stops[2][0]


def test_misses_and_failures_are_beyond_the_axis():
    rows = [
        Dots("adam", 0, [100, 200], ["seed 1", "seed 2"], 150),
        Dots("sgd", 1, [INF, 300], ["seed 1", "seed 2"], INF),
    ]
    made = dot_chart(rows, "t", "a", "steps", zero=True)
    assert "∞: missed" in made
    stops = stops_of(made)
    assert [stop[3] for stop in stops] == [[[0, "adam 100"]], [[0, "adam 200"]], [[1, "sgd ∞"]], [[1, "sgd 300"]]]
    assert stops[2][0] > max(stops[i][0] for i in (0, 1, 3))
    assert sum(path.get("class") == "x" for path in parsed(made).iter("path")) == 1
    failed = trial_chart([Trials("sgd", 1, [0.1, 1.0], [0.5, NAN])], "t", "a", "lr")
    assert [stop[3] for stop in stops_of(failed)] == [[[1, "sgd 0.5"]], [[1, "sgd \u2013"]]]


def test_a_bar_begins_at_0():
    made = dot_chart([Dots("sgd", 1, (), (), 0.04, -0.02, 0.05)], "t", "a", "x", zero=True)
    (bar,) = (path.get("d") for path in parsed(made).iter("path") if path.get("class") == "b")
    (zero,) = (text.get("x") for text in parsed(made).iter("text") if text.text == "0")
    assert (bar.startswith(f"M{zero} "), bar.endswith(f"H{zero}z")) == (True, True)
    assert float(zero) > 100
    below = dot_chart([Dots("sgd", 1, (), (), -0.01)], "t", "a", "x", zero=True)
    assert [text.text for text in parsed(below).iter("text")].count("0") == 1


def test_intervals_without_runs_are_inside_the_axis_unless_one_is_far():
    """Differences near 0, each with an interval of three times their range; then one a thousand times as wide."""
    rows = [Dots(name, 0, (), (), i / 1e4, i / 1e4 - 3e-3, i / 1e4 + 3e-3) for i, name in enumerate("abcdefgh")]
    for given in (rows[:1], rows, [*rows, Dots("wide", 1, (), (), 0.0, -3.0, 3.0)]):
        made = dot_chart(given, "t", "a", "x", zero=True)
        strokes = [path.get("d") for path in parsed(made).iter("path") if path.get("class") == "w"]
        places = sorted(float(d[1:].split()[0]) for d in strokes)
        assert len(strokes) == 2 * min(len(given), len(rows))  # an end beyond the axis has none
        assert places[-1] - places[0] > WIDTH / 3
        assert len({*places}) == len(places)


def test_the_trials_of_a_grid_are_joined_in_their_order():
    trials = Trials("sgd", 1, [1.0, 0.01, 0.1, 10.0], [0.5, 0.75, 0.25, NAN])
    joints = [
        path
        for path in parsed(trial_chart([trials], "t", "a", "lr", lines=True)).iter("path")
        if path.get("class") == "j"
    ]
    x = [float(place.split()[0]) for place in joints[0].get("d")[1:].split("L")]
    assert len(x) == 3
    assert x == sorted(x)
    assert 'class="j"' not in trial_chart([trials], "t", "a", "lr")


def test_a_long_line_is_thinned_and_keeps_its_peaks():
    values = [math.sin(i / 7) for i in range(50_000)]
    values[31_234], values[17] = 9.0, -9.0
    found = thinned(Line("a", 0, range(50_000), values, [v - 1 for v in values], [v + 1 for v in values]))
    assert len(found.x) == len(found.y) == len(found.low) == len(found.high) <= MOST
    assert (max(found.y), min(found.y), max(found.high), min(found.low)) == (9.0, -9.0, 10.0, -10.0)
    assert list(found.x) == sorted(found.x)


def test_what_is_read_out_along_a_long_line_is_of_its_step():
    """Pieces of three points, of which every second is wide; and another line whose extremes are elsewhere."""
    steps = range(300)
    one = Line("a", 0, steps, [s % 3 for s in steps], [s % 3 - 1 - 8 * (s % 2) for s in steps], [9 for s in steps])
    other = Line("b", 1, steps, [(s + 1) % 3 for s in steps])
    for stop in stops_of(line_chart([one, other], "t", "a", "x", unit="step")):
        step = int(stop[2].removeprefix("step "))
        low = f"{step % 3 - 1 - 8 * (step % 2)}".replace("-", "\u2212")
        assert stop[3] == [[0, f"a {step % 3} [{low}, 9]"], [1, f"b {(step + 1) % 3}"]]


def test_the_band_of_a_long_line_is_that_of_its_points():
    low = [0.0] * 1000
    low[500] = -5.0  # beside the ends of its piece
    values = [float(i) for i in range(1000)]
    found = thinned(Line("a", 0, range(1000), values, low, values))
    assert [*found.high] == [*found.y]
    assert len(found.low) == len(found.y)


def test_ten_contenders_look_different():
    assert len({(look_of(i).split()[0], dashes_of(i)) for i in range(10)}) == 10
    assert len({(look_of(i).split()[0], marker(i, 0.0, 0.0)) for i in range(10)}) == 10
    assert len({dashes_of(i) for i in range(6)}) == 6  # a print without colors


def test_labels_are_moved_apart_inside_the_picture():
    found = spread([5.0, 5.0, 5.0, 99.0, 98.0], 10.0, 0.0, 100.0)
    assert sorted(found) == [5.0, 15.0, 25.0, 90.0, 100.0]
    assert found[3] > found[4]

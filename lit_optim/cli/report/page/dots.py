"""Draws a row for each contender: dots of its runs, a center, an interval; and trials over the lr."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from lit_optim.cli.report.page.axes import Scale, scale_of
from lit_optim.cli.report.page.markup import Markup, concat, figure_of, place, tag
from lit_optim.cli.report.page.picture import (
    LETTER,
    WIDTH,
    Stop,
    axis_x,
    axis_y,
    figure,
    line_of,
    look_of,
    marker,
    named,
    shortened,
    text_at,
    tick_room,
)

ROW = 38.0  # height of a contender's row: its name above what is drawn
TOP = 6.0
MISS = 40.0  # width of the column of what never came
LANE = 22.0  # height of the lane of failed trials


class Dots(NamedTuple):
    """A row of a chart.

    Args:
        name: of the contender.
        look: its number.
        values: of its runs: infinite where a target was missed, NaN where a run failed.
        labels: of the values: ``seed 3``.
        center: that is marked; NaN for none.
        low: lower end of its interval; NaN for none.
        high: its upper end.
        text: behind the name: what the row says.
    """

    name: str
    look: int
    values: Sequence[float]
    labels: Sequence[str]
    center: float = math.nan
    low: float = math.nan
    high: float = math.nan
    text: str = ""


def dot_chart(
    rows: Sequence[Dots], title: str, alt: str, x_title: str, *, zero: bool = False, log: bool = False, note: str = ""
) -> Markup:
    """Draw a row for each contender; what is infinite or failed has a column of its own at the right.

    Args:
        rows: of the contenders.
        title: of the chart.
        alt: what it shows, in words.
        x_title: of the axis.
        zero: whether the axis shows 0, and the center is drawn as a bar from there.
        log: whether it is logarithmic.
        note: below the chart.
    """
    missed = any(not math.isfinite(v) for row in rows for v in row.values)
    edges = [v for row in rows for v in (row.low, row.high)]
    runs = [v for row in rows for v in row.values]
    known = [*(runs or edges), *(row.center for row in rows)]  # without runs, intervals are what there is to see
    right = WIDTH - 12 - (MISS if missed else 0)
    x = scale_of(known, 10.0, right, log=log, zero=zero, cut=not (zero and runs))
    inside = scale_of([v for v in (*edges, x.low, x.high) if _near(v, x)], 10.0, right, log=log, zero=zero)
    x = x._replace(low=min(x.low, inside.low), high=max(x.high, inside.high))
    bottom = TOP + ROW * max(len(rows), 1)
    drawn, stops = [axis_x(x, TOP, bottom, x_title)], list[Stop]()
    if missed:
        drawn.append(text_at(WIDTH - 2, bottom + 31, "failed" if _failed(rows) else "∞: missed", "end"))
        drawn.append(tag("path", d=f"M{place(right + 8)} {place(TOP)}V{place(bottom)}", class_="e"))
    for i, row in enumerate(rows):
        y = TOP + ROW * i + 26
        drawn.append(_row(row, x, y, zero))
        stops += [
            Stop(_place(v, x), y, label, [(row.look, f"{row.name} {figure_of(v)}")])
            for v, label in zip(row.values, row.labels, strict=True)
        ]
    return figure(title, alt, bottom + 38, concat(drawn), stops, note)


def _failed(rows: Sequence[Dots]) -> bool:
    return any(math.isnan(v) for row in rows for v in row.values)


def _near(value: float, x: Scale) -> bool:
    """Return whether an end of an interval may widen an axis: not by more than half of its span."""
    span = x.high - x.low
    return math.isfinite(value) and x.low - span / 2 <= value <= x.high + span / 2 and (value > 0 or not x.log)


def _place(value: float, x: Scale) -> float:
    return x.at(value) if math.isfinite(value) else WIDTH - 22


def _row(row: Dots, x: Scale, y: float, bar: bool) -> Markup:
    parts = list[Markup]()
    if bar and math.isfinite(row.center):
        zero = place(x.at(0.0))
        parts.append(tag("path", d=f"M{zero} {place(y - 6)}H{place(x.at(row.center))}v12H{zero}z", class_="b"))
    if math.isfinite(row.low) and math.isfinite(row.high):
        low, high = x.at(row.low), x.at(row.high)
        parts.append(tag("path", d=f"M{place(low)} {place(y)}H{place(high)}", class_="i"))
        ends = [place(e) for e, v in ((low, row.low), (high, row.high)) if x.holds(v)]  # an end beyond has no stroke
        parts += [tag("path", d=f"M{e} {place(y - 5)}v10", class_="w") for e in ends]
    parts += [marker(row.look, _place(v, x), y, failed=not math.isfinite(v), class_="o") for v in row.values]
    if math.isfinite(row.center):
        parts.append(tag("path", d=f"M{place(x.at(row.center))} {place(y - 9)}v18", class_="a"))
    text = f"{shortened(row.name, 24)}: {row.text}" if row.text else row.name
    return tag("g", named(row.look, text, 14.0, y - 13, 58), *parts, class_=look_of(row.look))


class Trials(NamedTuple):
    """The trials of a contender.

    Args:
        name: of the contender.
        look: its number.
        x: what was tried: the lr.
        y: the scores; NaN where a trial failed.
    """

    name: str
    look: int
    x: Sequence[float]
    y: Sequence[float]


def trial_chart(
    trials: Sequence[Trials], title: str, alt: str, x_title: str, *, lines: bool = False, note: str = ""
) -> Markup:
    """Draw the score of every trial over what was tried; trials that failed are in a lane at the top.

    Args:
        trials: of the contenders.
        title: of the chart.
        alt: what it shows, in words.
        x_title: of the horizontal axis, which is logarithmic.
        lines: whether the trials of a contender are joined: those of a grid, which differ in nothing else.
        note: below the chart.
    """
    top, bottom = TOP + LANE, 226.0
    y = scale_of((v for each in trials for v in each.y), bottom, top, cut=True)
    left = max(tick_room(y), LETTER * 6)
    x = scale_of((v for each in trials for v in each.x), left, WIDTH - 12, log=True)
    drawn = [axis_y(y, left, WIDTH - 12), axis_x(x, TOP, bottom, x_title)]
    drawn += [
        text_at(left - 5, TOP + 11, "failed", "end"),
        tag("path", d=f"M{place(left)} {place(top - 5)}H{place(WIDTH)}", class_="e"),
    ]
    stops = list[Stop]()
    for each in trials:
        tried = sorted((a, b) for a, b in zip(each.x, each.y, strict=True) if a > 0)
        places = [(x.at(a), TOP + 7 if math.isnan(b) else y.at(b)) for a, b in tried]
        known = [place for place, (_, b) in zip(places, tried, strict=True) if not math.isnan(b)]
        shown = [marker(each.look, *at, failed=math.isnan(b)) for at, (_, b) in zip(places, tried, strict=True)]
        joint = line_of(each.look, known, "j") if lines else ""
        drawn.append(tag("g", joint, *shown, class_=look_of(each.look)))
        stops += [
            Stop(*at, f"{x_title} {figure_of(a)}", [(each.look, f"{each.name} {figure_of(b)}")])
            for at, (a, b) in zip(places, tried, strict=True)
        ]
    return figure(title, alt, bottom + 38, concat(drawn), sorted(stops, key=lambda each: (each.x, each.parts)), note)

"""Draws lines: curves against steps or seconds with bands, best of k, schedules."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from lit_optim.cli.report.page.axes import Scale, scale_of
from lit_optim.cli.report.page.markup import Markup, concat, figure_of, place, tag
from lit_optim.cli.report.page.picture import (
    LETTER,
    LONGEST,
    WIDTH,
    Stop,
    axis_x,
    axis_y,
    figure,
    line_of,
    look_of,
    marker,
    named,
    spread,
    text_at,
    tick_room,
)

HEIGHT = 262.0
TOP, BOTTOM = 12.0, 222.0
MOST = 200  # points of a line: about two pixels of a phone each
READ = 120  # places at most that are read out
FEW = 12  # points of a line that have markers each


class Line(NamedTuple):
    """A line of a chart.

    Args:
        name: of the contender.
        look: number of the contender.
        x: in order.
        y: values there; no line is drawn where one is not finite.
        low: lower edge of the band, or ().
        high: its upper edge.
    """

    name: str
    look: int
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


def thinned(line: Line, most: int = MOST) -> Line:
    """Leave out points of a long line; of each piece its lowest and highest value stay.

    Example:
        >>> thinned(Line("a", 0, range(8), [0, 5, 0, 0, 0, 0, -9, 0]), 4).y
        [0, 5, 0, -9]
    """
    count = len(line.x)
    if count <= most:
        return line
    size = -(-2 * count // most)
    kept = list[int]()
    for start in range(0, count, size):
        piece = [i for i in range(start, min(start + size, count)) if math.isfinite(line.y[i])] or [start]
        kept += sorted({min(piece, key=line.y.__getitem__), max(piece, key=line.y.__getitem__)})
    return Line(line.name, line.look, *([values[i] for i in kept if values] for values in line[2:]))


def line_chart(
    lines: Sequence[Line], title: str, alt: str, x_title: str, *,
    log: bool = False, log_x: bool = False, zero: bool = False, unit: str = "", note: str = "",
) -> Markup:  # fmt: skip
    """Draw lines with their bands, each named at its end.

    Args:
        lines: of the contenders.
        title: of the chart.
        alt: what it shows, in words.
        x_title: of the horizontal axis.
        log: whether values are on a logarithmic axis.
        log_x: whether the horizontal axis is logarithmic.
        zero: whether values begin at 0.
        unit: of ``x``, as it is read out: ``step``.
        note: below the chart.
    """
    known = [each for each in lines if any(map(math.isfinite, each.y))]
    lines = [thinned(each) for each in known]  # what is read out is not
    if not lines:
        return figure(title, "nothing to draw", 40.0, text_at(10, 24, "nothing to draw"), note=note)
    y = scale_of((v for each in lines for v in each.y), BOTTOM, TOP, log=log, zero=zero, cut=True)
    y = _with_bands(y, lines)
    left = tick_room(y)
    right = WIDTH - 20 - LETTER * min(max(len(each.name) for each in lines), LONGEST)
    x = scale_of((v for each in lines for v in each.x), left, right, log=log_x, zero=not log_x)
    if not log_x:
        x = x._replace(high=max(v for each in lines for v in each.x) or 1.0)
    drawn = [axis_y(y, left, right), axis_x(x, TOP, BOTTOM, x_title)]
    ends = spread([_end(each, y) for each in lines], 13.0, TOP + 4, BOTTOM)
    drawn += [_draw(each, x, y, end, right) for each, end in zip(lines, ends, strict=True)]
    beyond = [f"{each.name} leaves the axis" for each in lines if _leaves(each, y)]
    alt = f"{alt}; {'; '.join(beyond)}" if beyond else alt
    note = " ".join(filter(None, (note, f"Cut off: {'; '.join(beyond)}." if beyond else "")))
    return figure(title, alt, HEIGHT, concat(drawn), _stops(known, x, unit or x_title), note)


def _with_bands(y: Scale, lines: Sequence[Line]) -> Scale:
    """Widen an axis until it shows the bands, by at most half of its span."""
    known = [v for each in lines for v in (*each.low, *each.high) if math.isfinite(v) and (v > 0 or not y.log)]
    span = y.high - y.low
    low, high = min((y.low, *known)), max((y.high, *known))
    return y._replace(low=max(low, y.low / 2 if y.log else y.low - span / 2), high=min(high, y.high + span / 2))


def _leaves(line: Line, y: Scale) -> bool:
    return any(v > y.high or (v < y.low and not y.log) for v in line.y)  # an lr ends at 0


def _end(line: Line, y: Scale) -> float:
    return next((y.at(v) for v in reversed(line.y) if not math.isnan(v)), y.end) + 4


def _draw(line: Line, x: Scale, y: Scale, end: float, right: float) -> Markup:
    """Draw one line: its band, its pieces, its markers and its name."""
    parts = list[Markup]()
    runs = _runs(line)
    for run in runs:
        if line.low:
            upper = [f"{place(x.at(line.x[i]))} {place(y.at(line.high[i]))}" for i in run]
            lower = [f"{place(x.at(line.x[i]))} {place(y.at(line.low[i]))}" for i in reversed(run)]
            parts.append(tag("path", d=f"M{'L'.join(upper + lower)}z", class_="b"))
    for run in runs:
        parts.append(line_of(line.look, [(x.at(line.x[i]), y.at(line.y[i])) for i in run]))
    known = [i for run in runs for i in run]
    for i in known if len(known) <= FEW else known[-1:]:
        parts.append(marker(line.look, x.at(line.x[i]), y.at(line.y[i])))
    return tag("g", *parts, named(line.look, line.name, right + 11, end, LONGEST), class_=look_of(line.look))


def _runs(line: Line) -> list[list[int]]:
    """Return the numbers of the points that are joined: a line ends where a value is not finite."""
    runs: list[list[int]] = [[]]
    for i, value in enumerate(line.y):
        if math.isfinite(value):
            runs[-1].append(i)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _stops(lines: Sequence[Line], x: Scale, unit: str) -> list[Stop]:
    """Return what is read out along the horizontal axis: the last value of every line up to there."""
    places = sorted({v for each in lines for v in each.x if math.isfinite(v)})
    if len(places) > READ:
        places = [places[i * (len(places) - 1) // (READ - 1)] for i in range(READ)]
    found = []
    for value in places:
        at = [(each, bisect_right(each.x, value) - 1) for each in lines]
        parts = [(each.look, f"{each.name} {_reading(each, i)}") for each, i in at if i >= 0]
        found.append(Stop(x.at(value), None, f"{unit} {figure_of(value)}", parts))
    return found


def _reading(line: Line, i: int) -> str:
    band = f" [{figure_of(line.low[i])}, {figure_of(line.high[i])}]" if line.low else ""
    return f"{figure_of(line.y[i])}{band}"

"""Draws what all charts share: the frame with its axes, the looks of a contender, the figure with its read-out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from lit_optim.cli.report.page.axes import Scale
from lit_optim.cli.report.page.markup import Markup, concat, figure_of, place, tag
from lit_optim.plots.line_looks import DASHES
from lit_optim.plots.palette import LIGHT

WIDTH = 420.0  # of every picture; a phone shows it at about this width
LETTER = 7.8  # width of a character, at most, on a phone
LONGEST = 11  # characters of a name beside its line
MARKERS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "M-3.5-3.5h7v7h-7z",
    "M0-4.8L4.5 3.6h-9z",
    "M0-5L5 0L0 5L-5 0z",
    "M0 4.8L4.5-3.6h-9z",
)
CROSS = "M-4-4L4 4M-4 4L4-4"


class Stop(NamedTuple):
    """A place of a picture that is read out.

    Args:
        x: of the place.
        y: of the place; None for all along a vertical line.
        title: what all parts share: ``step 1,200``.
        parts: number of a contender, and what is said of it there.
    """

    x: float
    y: float | None
    title: str
    parts: Sequence[tuple[int, str]]


def look_of(contender: int, *, hides: bool = True) -> str:
    """Return the classes that color a contender and hide it; contenders of one color differ in dashes and markers."""
    return f"k{contender % len(LIGHT.lines)}{f' c{contender}' if hides else ''}"


def dashes_of(contender: int) -> str | None:
    """Return the dash pattern of a contender's lines."""
    found = DASHES[(contender + contender // len(LIGHT.lines)) % len(DASHES)]
    return " ".join(place(2 * length) for length in found) or None


def marker(contender: int, x: float, y: float, *, failed: bool = False, class_: str | None = None) -> Markup:
    """Draw the marker of a contender; that of a failed run is a cross."""
    shape = CROSS if failed else MARKERS[contender % len(MARKERS)]
    return tag("path", d=shape, transform=f"translate({place(x)} {place(y)})", class_="x" if failed else class_ or "m")


def line_of(contender: int, points: Sequence[tuple[float, float]], class_: str = "l") -> Markup:
    """Draw a line through places."""
    path = "L".join(f"{place(x)} {place(y)}" for x, y in points)
    return tag("path", d=f"M{path}", class_=class_, stroke_dasharray=dashes_of(contender)) if points else Markup()


def text_at(x: float, y: float, text: object, anchor: str | None = None, **attributes: object) -> Markup:
    """Write a text; its anchor is start, middle or end."""
    return tag("text", text, x=x, y=y, text_anchor=anchor, **attributes)


def shortened(name: str, most: int = LONGEST) -> str:
    """Shorten a name.

    Example:
        >>> shortened("a_very_long_optimizer"), shortened("adamw")
        ('a_very_lon…', 'adamw')
    """
    return name if len(name) <= most else f"{name[: most - 1]}…"


def named(contender: int, text: str, x: float, y: float, most: int) -> Markup:
    """Write a text behind the marker of a contender, at most so many characters of it."""
    full = tag("title", text) if len(text) > most else ""
    return concat((marker(contender, x, y - 4), text_at(x + 8, y, concat((shortened(text, most), full)))))


def axis_x(scale: Scale, top: float, bottom: float, title: str, count: int = 5) -> Markup:
    """Draw grid lines, ticks and the title of a horizontal axis."""
    marks = []
    for tick in scale.ticks(count):
        x = scale.at(tick)
        marks.append(tag("path", d=f"M{place(x)} {place(top)}V{place(bottom)}", class_="g"))
        anchor = "end" if x > WIDTH - 14 else "middle"
        marks.append(text_at(min(x, WIDTH - 1), bottom + 15, figure_of(tick), anchor))
    middle = (scale.start + scale.end) / 2
    return concat((*marks, text_at(middle, bottom + 31, title, "middle")))


def axis_y(scale: Scale, left: float, right: float, count: int = 5) -> Markup:
    """Draw grid lines and ticks of a vertical axis."""
    marks = []
    for tick in scale.ticks(count):
        y = scale.at(tick)
        marks.append(tag("path", d=f"M{place(left)} {place(y)}H{place(right)}", class_="g"))
        marks.append(text_at(left - 5, y + 4, figure_of(tick), "end"))
    return concat(marks)


def tick_room(scale: Scale, count: int = 5) -> float:
    """Return the width that the ticks of a vertical axis need."""
    return 8 + LETTER * max((len(figure_of(tick)) for tick in scale.ticks(count)), default=0)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move the places of labels apart, as little as keeps their order.

    Example:
        >>> spread([10.0, 11.0, 50.0], 10.0, 0.0, 100.0)
        [10.0, 20.0, 50.0]
        >>> spread([95.0, 99.0], 10.0, 0.0, 100.0)
        [90.0, 100.0]
    """
    order, found = sorted(range(len(wanted)), key=wanted.__getitem__), [*wanted]
    at = low - gap
    for i in order:
        at = found[i] = max(wanted[i], at + gap)
    at = high + gap
    for i in reversed(order):
        at = found[i] = min(found[i], at - gap)
    return found


def figure(title: str, alt: str, height: float, body: Markup, stops: Sequence[Stop] = (), note: str = "") -> Markup:
    """Put a picture into a figure.

    Args:
        title: above it.
        alt: what it shows, in words.
        height: of the picture.
        body: what is drawn.
        stops: places that are read out, in the order of the arrow keys.
        note: below it.
    """
    data = [[round(s.x, 1), None if s.y is None else round(s.y, 1), s.title, [*map(list, s.parts)]] for s in stops]
    drawn = tag(
        "svg", body, viewBox=f"0 0 {place(WIDTH)} {place(height)}", role="img", aria_label=f"{title}: {alt}",
        tabindex="0" if data else None,
        data_stops=json.dumps(data, ensure_ascii=False, separators=(",", ":")) if data else None,
    )  # fmt: skip
    below = tag("p", note, class_="note") if note else ""
    reader = tag("output") if data else ""
    return tag("figure", tag("figcaption", title), drawn, reader, below)

"""Shades the phases of a schedule behind its curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lit_optim.plots.palette import LIGHT
from lit_optim.plots.panel import add_headroom

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lit_optim.schedules.plan.plan import Phase

WIDTH = 9.0  # inches of a picture
LETTER = 0.0115  # width of a letter, as a share of that of its panel, which may be narrow
ROW = 0.075  # height of a row of names
ROWS = 3


def shade(axes: Axes, bands: Sequence[Phase]) -> float:
    """Shade the bands in two tints by turns, and write their names above the curves.

    Args:
        axes: with its final limits.
        bands: without a gap between them; each has an end.

    Returns:
        The share of the panel's height that the names take.
    """
    first, last = axes.get_xlim()
    spans = [(b.name, (b.start - first) / (last - first), ((b.stop or last) - first) / (last - first)) for b in bands]
    names = place_names(spans, LETTER * WIDTH * axes.figure.dpi / axes.figure.bbox.width)
    share = ROW * (1 + max((row for _, row in names.values()), default=-1))
    add_headroom(axes, share)
    for i, band in enumerate(bands):
        axes.axvspan(band.start, band.stop or last, color=LIGHT.bands[i % 2], linewidth=0, zorder=0)
    for i, (x, row) in names.items():
        look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8.5, "color": LIGHT.ink}
        axes.text(x, 1 - ROW * (row + 0.5), spans[i][0], transform=axes.transAxes, **look)
    return share


def place_names(spans: Sequence[tuple[str, float, float]], letter: float = LETTER) -> dict[int, tuple[float, int]]:
    """Find a place for the name of each span, in the first row where it covers no other; none where all are full.

    Args:
        spans: name, begin and end of each, as shares of the panel's width.
        letter: width of a letter, as a share of it too.

    Returns:
        By the index of the span: the middle of its name, and its row, 0 the highest.

    Example:
        >>> place_names([("warmup", 0.0, 0.02), ("main", 0.02, 0.1), ("cooldown", 0.1, 1.0)])
        {0: (0.04025, 0), 1: (0.06, 1), 2: (0.55, 0)}
    """
    ends, places = [0.0] * ROWS, {}
    for i, (name, start, stop) in enumerate(spans):
        half = letter * (len(name) + 1) / 2
        middle = min(max((start + stop) / 2, half), 1 - half)
        row = next((row for row, end in enumerate(ends) if middle - half >= end - 1e-9), None)
        if row is not None:
            ends[row] = middle + half
            places[i] = (round(middle, 6), row)
    return places

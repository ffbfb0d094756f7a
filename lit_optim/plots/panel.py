"""Draws one panel of a picture: its palette, its lines over optimizer steps, its scale and its frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#1f5fa8", "#d1622b", "#3b8f5a", "#8a4fa3", "#b3873b", "#4a4a4a")  # of lines
INK, GRID, SHADE = "#444444", "#dddddd", "#eef1f5"
# every line has its own dashes, so that a print without colors can be read
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (8, 2, 2, 2)), (0, (4, 1, 1, 1, 1, 1)), (0, (1, 2)))
HEADROOM = 0.3  # above the curves, for the names of phases, which may be upright
DECADES = 1e6  # that a logarithmic scale shows; a cosine ends at nearly 0


def new_figure(width: float, height: float) -> Figure:
    """Create a figure that needs no window system.

    Args:
        width: inches.
        height: inches.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def look(i: int) -> tuple[str, Any]:
    """Pick the color and the dashes of line i; pairs repeat when all are used.

    Example:
        >>> len({str(look(i)) for i in range(36)})
        36
    """
    return COLORS[i % len(COLORS)], DASHES[(i + i // len(COLORS)) % len(DASHES)]


def draw_lines(
    axes: Axes, lines: Sequence[tuple[str, tuple[Sequence[int], Sequence[float]]]], *, log: bool = False
) -> None:
    """Draw labelled lines with a legend, and scale the values with room for the names of phases.

    Args:
        axes: the panel.
        lines: label, optimizer steps and values of each.
        log: whether the values are on a logarithmic scale; values at 0 and below are not drawn then.
    """
    for i, (label, (steps, values)) in enumerate(lines):
        color, dashes = look(i)
        marker = "o" if len(steps) == 1 else ""
        axes.plot(steps, values, label=label, color=color, linestyle=dashes, linewidth=1.8, marker=marker, clip_on=log)
    style_panel(axes)
    _scale_values(axes, log)
    if len(lines) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1.005, 1), frameon=False, labelcolor=INK, fontsize=9)


def style_panel(axes: Axes) -> None:
    """Draw optimizer steps along x as whole numbers, grid lines along y, and no frame."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("optimizer step", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}".replace(",", "\u2009"))
    axes.tick_params(length=0, which="both", colors=INK)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def _scale_values(axes: Axes, log: bool) -> None:
    """Scale from 0 upwards where the lowest value is not far above it."""
    from matplotlib.ticker import MaxNLocator

    low, high = axes.dataLim.intervaly
    if low > high:  # every value is NaN
        return
    if log and math.isfinite(axes.dataLim.minposy):
        axes.set_yscale("log")
        low = max(axes.dataLim.minposy, high / DECADES)
        axes.set_ylim(low / (high / low) ** 0.05 / 1.1, high * (high / low) ** HEADROOM * 1.1)
        return
    low = min(low, 0.0) if low <= high / 2 else low - 0.1 * (high - low)
    if low == high:
        low, high = (0.0, high) if high > 0 else (low - 1, high + 1)
    axes.set_ylim(low, high + HEADROOM * (high - low))
    axes.set_yticks([tick for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high * 1.001])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")

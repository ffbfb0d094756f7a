"""Draws one panel of a picture: its lines over optimizer steps, its scale, its axis of epochs and its frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lit_optim.plots.line_looks import DASHES, are_far_apart, line_looks
from lit_optim.plots.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = LIGHT.ink
DECADES = 1e3  # that a logarithmic scale shows below the lowest of the peaks; a cosine ends at nearly 0
FEW = 30  # steps that are drawn as points, too
MARGIN = 0.04  # of the range, above the highest value


def new_figure(width: float, height: float) -> Figure:
    """Create a figure that needs no window system.

    Args:
        width: inches.
        height: inches.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, layout="constrained", facecolor=LIGHT.background)


def dashes(i: int) -> str | tuple[int, tuple[float, ...]]:
    """Return the i-th line style of matplotlib."""
    return (0, DASHES[i]) if DASHES[i] else "-"


def draw_lines(
    axes: Axes, lines: Sequence[tuple[str, tuple[Sequence[int], Sequence[float]]]], *, log: bool = False
) -> None:
    """Draw labelled lines with a legend; the values of lines that are far apart are on a logarithmic scale.

    Args:
        axes: the panel.
        lines: label, optimizer steps and values of each.
        log: whether values are on a logarithmic scale in any case; those at 0 and below are not drawn then.
    """
    series = [values for _, (_, values) in lines]
    log = log or are_far_apart(series)
    for (label, (steps, values)), (color, style) in zip(lines, line_looks(series), strict=True):
        axes.plot(
            steps, values, label=label, color=LIGHT.lines[color], linestyle=dashes(style), linewidth=1.8,
            marker="o" if len(steps) <= FEW else "", markersize=4, clip_on=log,
        )  # fmt: skip
    style_panel(axes)
    _scale_values(axes, series, log)
    if len(lines) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1.005, 1), frameon=False, labelcolor=INK, fontsize=9)


def style_panel(axes: Axes) -> None:
    """Draw optimizer steps along x as whole numbers, grid lines along y, and no frame."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("optimizer step", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.tick_params(length=0, which="both", colors=INK)
    axes.grid(axis="y", color=LIGHT.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def add_epochs(axes: Axes, size: int | None) -> None:
    """Add a second axis on top, in epochs of ``size`` optimizer steps; none where that is not known."""
    if not size:
        return
    from matplotlib.ticker import MaxNLocator

    per_epoch = size

    def to_epochs(steps: float) -> float:
        return steps / per_epoch

    def to_steps(epochs: float) -> float:
        return epochs * per_epoch

    top = axes.secondary_xaxis("top", functions=(to_epochs, to_steps))  # type: ignore[arg-type]  # arrays, says the stub
    top.set_xlabel("epoch", color=INK)
    low, high = axes.get_xlim()
    top.xaxis.set_major_locator(MaxNLocator(8, integer=high - low >= 2 * size, steps=[1, 2, 2.5, 5, 10]))
    top.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    top.tick_params(length=0, colors=INK)
    top.spines[:].set_visible(False)


def add_headroom(axes: Axes, share: float) -> None:
    """Raise the upper limit of the values until ``share`` of the panel's height is above the present one."""
    low, high = axes.get_ylim()
    more = share / (1 - share)
    axes.set_ylim(low, high * (high / low) ** more if axes.get_yscale() == "log" else high + more * (high - low))


def _scale_values(axes: Axes, series: Sequence[Sequence[float]], log: bool) -> None:
    """Scale from 0 upwards where the lowest value is not far above it."""
    from matplotlib.ticker import MaxNLocator

    low, high = axes.dataLim.intervaly
    if low > high:  # every value is NaN
        return
    positive = [[v for v in values if math.isfinite(v) and v > 0] for values in series]
    if log and any(positive):
        axes.set_yscale("log")
        low = max(min(map(min, filter(None, positive))), min(map(max, filter(None, positive))) / DECADES)
        axes.set_ylim(low / (high / low) ** MARGIN / 1.1, high * (high / low) ** MARGIN * 1.1)
        return
    low = min(low, 0.0) if low <= high / 2 else low - 0.1 * (high - low)
    if low == high:
        low, high = (0.0, high) if high > 0 else (low - 1, high + 1)
    axes.set_ylim(low, high + MARGIN * (high - low))
    axes.set_yticks(
        [
            tick
            for tick in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
            if low <= tick <= high * 1.001
        ]
    )
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")

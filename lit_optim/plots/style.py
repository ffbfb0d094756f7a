"""The palette and the frame that every picture shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#1f5fa8", "#d1622b", "#3b8f5a", "#8a4fa3", "#b3873b", "#4a4a4a")  # lines; they differ in lightness too
INK, GRID, SHADE = "#444444", "#dddddd", "#eef1f5"


def new_figure(width: float, height: float) -> Figure:
    """Creates a figure that needs no window system.

    Args:
        width: inches.
        height: inches.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def style_steps_panel(axes: Axes) -> None:
    """Draws optimizer steps along x as whole numbers, grid lines along y, and no frame."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}".replace(",", "\u2009"))
    axes.tick_params(length=0, which="both", colors=INK)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)

"""Shades the phases of a schedule behind its curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lit_optim.plots.panel import INK, SHADE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lit_optim.schedules.plan.plan import Phase

LETTER = 0.0105  # width of a letter, as a share of the panel's


def shade(axes: Axes, phases: Sequence[Phase]) -> None:
    """Shade every other phase, so that the longest stays white; the name of a short one is written upwards.

    Args:
        axes: with its final limits along x; what lies outside is cut off.
        phases: one alone needs neither shade nor name.
    """
    first, last = axes.get_xlim()
    cut = [(p.name, max(p.start, first), last if p.stop is None else min(p.stop, last)) for p in phases]
    shown = [(name, start, stop) for name, start, stop in cut if start < stop]
    if len(shown) < 2:
        return
    widths = [(stop - start) / (last - first) for _, start, stop in shown]
    white = widths.index(max(widths)) % 2
    for i, (name, start, stop) in enumerate(shown):
        if i % 2 != white:
            axes.axvspan(start, stop, color=SHADE, linewidth=0, zorder=0)
        upright = 90 if widths[i] < LETTER * len(name) else 0
        look: dict[str, Any] = {"rotation": upright, "ha": "center", "va": "top", "fontsize": 9, "color": INK}
        axes.text((start + stop) / 2, 0.98, name, transform=axes.get_xaxis_transform(), **look)

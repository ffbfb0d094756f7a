"""A picture of the lr that each optimizer step of a run used."""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lit_optim.plots.phase_shading import shade
from lit_optim.plots.style import COLORS, INK, new_figure, style_steps_panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lit_optim.schedules.plan.plan import Phase

Lrs = Mapping[str, Sequence[float]]  # by param group, one value an optimizer step; NaN where there was no such group


def merge_equal(lrs: Lrs) -> dict[str, Sequence[float]]:
    """Merges groups with the same values into one line.

    Example:
        >>> merge_equal({"a": [0.1], "b": [0.2], "c": [0.1]})
        {'a, c': [0.1], 'b': [0.2]}
    """
    names: dict[bytes, list[str]] = {}
    for name, values in lrs.items():
        names.setdefault(array("d", values).tobytes(), []).append(name)
    return {", ".join(same): lrs[same[0]] for same in names.values()}


def draw_report(steps: Sequence[int], lrs: Lrs, phases: Sequence[Phase] = ()) -> Figure:
    """Draws the lr over optimizer steps, a line a group, with the phases shaded and named."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(8, 4)
    axes = figure.subplots()
    lines = merge_equal(lrs)
    for (name, values), color in zip(lines.items(), itertools.cycle(COLORS)):
        axes.plot(steps, values, color=color, linewidth=2, label=name, zorder=3, marker="o" if len(steps) == 1 else "")
    top = max((value for values in lines.values() for value in values if not math.isnan(value)), default=0.0) or 1.0
    axes.set_ylim(0, top * 1.25)  # leaves room for the names of the phases
    axes.set_yticks([tick for tick in MaxNLocator(6).tick_values(0, top) if tick <= top * 1.001])
    axes.set_xlim(steps[0], max(steps[-1], steps[0] + 1))
    shade(axes, phases)
    title = f"learning rate over {len(steps)} optimizer step{'s' * (len(steps) != 1)}"
    axes.set_title(title, loc="left", fontsize=12, color=INK, pad=10)
    axes.set_xlabel("optimizer step", color=INK)
    style_steps_panel(axes)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    if len(lines) > 1:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(lines), frameon=False, labelcolor=INK)
    return figure

"""Draws the lr that each optimizer step of a run used."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lit_optim.plots.panel import INK, draw_lines, new_figure
from lit_optim.plots.phase_shading import shade

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lit_optim.schedules.plan.plan import Phase

Lrs = Mapping[str, Sequence[float]]  # by param group, one value per optimizer step; NaN where there was no such group


def merge_equal(lrs: Lrs) -> dict[str, Sequence[float]]:
    """Merge groups with the same values into one line.

    Example:
        >>> merge_equal({"a": [0.1], "b": [0.2], "c": [0.1]})
        {'a, c': [0.1], 'b': [0.2]}
    """
    names: dict[bytes, list[str]] = {}
    for name, values in lrs.items():
        names.setdefault(array("d", values).tobytes(), []).append(name)
    return {", ".join(same): lrs[same[0]] for same in names.values()}


def draw_report(steps: Sequence[int], lrs: Lrs, phases: Sequence[Phase] = ()) -> Figure:
    """Draw the lr over optimizer steps, one line per group, with the phases shaded and named."""
    figure = new_figure(8, 4)
    axes = figure.subplots()
    draw_lines(axes, [(name, (steps, values)) for name, values in merge_equal(lrs).items()])
    axes.set_xlim(steps[0], max(steps[-1], steps[0] + 1))
    shade(axes, phases)
    title = f"learning rate over {len(steps)} optimizer step{'s' * (len(steps) != 1)}"
    axes.set_title(title, loc="left", fontsize=12, color=INK, pad=10)
    return figure

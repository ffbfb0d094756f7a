"""Draws the lr that each optimizer step of a run used."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lit_optim.plots.bands import bands
from lit_optim.plots.panel import INK, add_epochs, draw_lines, new_figure
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


def draw_report(
    steps: Sequence[int], lrs: Lrs, phases: Sequence[Phase] = (), title: str = "", epoch: int | None = None
) -> Figure:
    """Draw the lr over optimizer steps, one line per group, with the phases shaded and named.

    Args:
        steps: optimizer steps of the run, in order.
        lrs: that were used, by group.
        phases: of the schedule.
        title: names of optimizer and schedule.
        epoch: optimizer steps of an epoch; None: there is no axis of epochs.
    """
    figure = new_figure(8, 4)
    axes = figure.subplots()
    lines = merge_equal(lrs)
    draw_lines(axes, [(name, (steps, values)) for name, values in lines.items()])
    last = steps[-1] + 1
    axes.set_xlim(steps[0], last)
    shade(axes, bands(phases, steps, next(iter(lines.values())), last))
    add_epochs(axes, epoch)
    axes.set_ylabel("learning rate", color=INK)
    text = f"learning rate over {len(steps):,} optimizer step{'s' * (len(steps) != 1)}"
    axes.set_title(": ".join(filter(None, (title, text))), loc="left", fontsize=11, color=INK, pad=10)
    return figure

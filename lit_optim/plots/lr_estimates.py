"""Draws an estimated learning rate: the estimate of each step, their running average, the lr in use, and the switch."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from lit_optim.plots.bands import bands
from lit_optim.plots.palette import LIGHT
from lit_optim.plots.panel import INK, add_epochs, add_headroom, dashes, new_figure, style_panel
from lit_optim.plots.phase_shading import shade

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lit_optim.plots.run_facts import RunFacts

USED, SWITCH, *ESTIMATES = range(len(LIGHT.lines))  # which color is whose
TEXT = 0.13  # height of what is written at a switch, as a share of the panel's


class EstimateHistory(Protocol):
    """The estimates of one param group, and the lr that it used in each step, to the end of the run.

    ``switched_at`` is the optimizer step of its switch, None before it; ``switch`` is what the console says of it.
    """

    name: str
    steps: array[int]
    gammas: array[float]
    sgd_lrs: array[float]
    used_steps: array[int]
    used_lrs: array[float]
    switched_at: int | None
    switch: str


def draw_estimates(histories: Sequence[EstimateHistory], facts: RunFacts) -> Figure:
    """Draw estimates and used lrs over the optimizer steps of the whole run, and mark the switch of each group.

    Args:
        histories: of each group; the first step has the number 1.
        facts: of the run.
    """
    figure = new_figure(9, 4.8)
    axes = figure.subplots()
    for i, history in enumerate(histories):
        of = f" ({history.name})" if history.name else ""
        color, marker = LIGHT.lines[ESTIMATES[i % len(ESTIMATES)]], "o" if len(history.steps) == 1 else ""
        how: dict[str, Any] = {"color": color, "marker": marker}
        axes.plot(history.steps, history.gammas, label=f"estimate of each step{of}", linewidth=1, alpha=0.5, **how)
        axes.plot(history.steps, history.sgd_lrs, label=f"running average{of}", linewidth=2, **how)
        used: dict[str, Any] = {"color": LIGHT.lines[USED], "linestyle": dashes(i % 6), "linewidth": 1.8}
        axes.plot(history.used_steps, history.used_lrs, label=f"lr in use{of}", **used)
    if any(lr > 0 for history in histories for lr in (*history.sgd_lrs, *history.used_lrs)):
        axes.set_yscale("log")
    first = min(history.steps[0] for history in histories) - 1
    last = max(max(history.steps[-1], *history.used_steps[-1:]) for history in histories)
    axes.set_xlim(first, last)
    style_panel(axes)
    taken = shade(axes, bands(facts.phases, [first], [0.0], last))
    add_headroom(axes, TEXT * sum(history.switched_at is not None for history in histories) / (1 - taken))
    _mark_switches(axes, histories, (first + last) / 2, 1 - taken)
    add_epochs(axes, facts.epoch)
    axes.set_ylabel("learning rate", color=INK)
    title = f"{facts.title}: the learning rate with which SGD would take Adam's steps"
    axes.set_title(title, loc="left", fontsize=11, color=INK, pad=10)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, labelcolor=INK, fontsize=9)
    return figure


def _mark_switches(axes: Axes, histories: Sequence[EstimateHistory], middle: float, top: float) -> None:
    """Draw a line at each switch, and write what the console says of it on the side that has more room."""
    color = LIGHT.lines[SWITCH]
    for i, history in enumerate(histories):
        if history.switched_at is not None:
            axes.axvline(history.switched_at, color=color, linewidth=1.5)
            side = 1 if history.switched_at < middle else -1
            where: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            how: dict[str, Any] = {"ha": "left" if side > 0 else "right", "va": "top", "color": color, "fontsize": 9}
            text = history.switch.replace(", ", ",\n", 1)
            axes.annotate(text, (history.switched_at, top), (4 * side, -4 - 28 * i), **where, **how)

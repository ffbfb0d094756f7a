"""Draws an estimated learning rate: the estimate of each step, their running average, and the switch."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from lit_optim.plots.panel import COLORS, INK, new_figure, style_panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SWITCH = COLORS[1]


class EstimateHistory(Protocol):
    """The estimates of one param group; ``switched_at`` is the optimizer step of its switch, None before it."""

    name: str
    steps: array[int]
    gammas: array[float]
    sgd_lrs: array[float]
    switched_at: int | None


def draw_estimates(histories: Sequence[EstimateHistory]) -> Figure:
    """Draw both estimates over optimizer steps, and mark the switch of each group."""
    figure = new_figure(8, 4)
    axes = figure.subplots()
    colors = [color for color in COLORS if color != SWITCH]
    for history, color in zip(histories, itertools.cycle(colors)):
        of = f" ({history.name})" if history.name else ""
        how: dict[str, Any] = {"color": color, "marker": "o" if len(history.steps) == 1 else ""}
        axes.plot(history.steps, history.gammas, label=f"estimate of each step{of}", linewidth=1, alpha=0.35, **how)
        axes.plot(history.steps, history.sgd_lrs, label=f"running average{of}", linewidth=2, **how)
    if any(lr > 0 for history in histories for lr in history.sgd_lrs):
        axes.set_yscale("log")
    switched = [(history, history.switched_at) for history in histories if history.switched_at is not None]
    for i, (history, step) in enumerate(switched):
        axes.axvline(step, color=SWITCH, linewidth=1.5)
        right = step < (min(history.steps) + max(history.steps)) / 2
        text = f"SGD{' of ' * bool(history.name)}{history.name} from here: {history.sgd_lrs[-1]:.3g}"
        place, ha = (4, -4 - 14 * i) if right else (-4, -4 - 14 * i), "left" if right else "right"
        where: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
        axes.annotate(text, (step, 1.0), place, ha=ha, va="top", color=SWITCH, **where)
    axes.set_title("the learning rate with which SGD would take Adam's steps", loc="left", fontsize=12, color=INK)
    style_panel(axes)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, labelcolor=INK)
    return figure

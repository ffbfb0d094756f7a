"""A picture of an estimated learning rate: the estimate of each step, their running average, and the switch."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from lit_optim.plots.style import COLORS, INK, new_figure, style_steps_panel

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
    """Draws both estimates over optimizer steps, and marks the switch of each group."""
    figure = new_figure(8, 4)
    axes = figure.subplots()
    colors = [color for color in COLORS if color != SWITCH]
    for history, color in zip(histories, itertools.cycle(colors)):
        single: dict[str, Any] = {"marker": "o"} if len(history.steps) == 1 else {}
        of = f" ({history.name})" if history.name else ""
        pale = {"color": color, "alpha": 0.35, "linewidth": 1, **single}
        axes.plot(history.steps, history.gammas, label=f"estimate of each step{of}", **pale)
        axes.plot(history.steps, history.sgd_lrs, color=color, linewidth=2, label=f"running average{of}", **single)
    if any(lr > 0 for history in histories for lr in history.sgd_lrs):
        axes.set_yscale("log")
    for i, history in enumerate(histories):
        if history.switched_at is not None:
            axes.axvline(history.switched_at, color=SWITCH, linewidth=1.5)
            right = history.switched_at < (min(history.steps) + max(history.steps)) / 2
            axes.annotate(
                f"SGD{' of ' * bool(history.name)}{history.name} from here: {history.sgd_lrs[-1]:.3g}",
                (history.switched_at, 1.0), (4 if right else -4, -4 - 14 * i),
                xycoords=("data", "axes fraction"), textcoords="offset points", va="top", color=SWITCH,
                ha="left" if right else "right",
            )  # fmt: skip
    axes.set_title("the learning rate with which SGD would take Adam's steps", loc="left", fontsize=12, color=INK)
    axes.set_xlabel("optimizer step", color=INK)
    style_steps_panel(axes)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, labelcolor=INK)
    return figure

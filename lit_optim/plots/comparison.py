"""Draws a comparison of optimizers: the scores of the final runs, and the mean curves."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lit_optim.plots.palette import LIGHT
from lit_optim.plots.panel import INK, dashes, new_figure, style_panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator

MARKERS = "os^Dv"
STYLES = 6
LONGEST = 36  # characters of a name
LINE = 140  # characters of the title's lines


class ComparedOptimizer(NamedTuple):
    """What the picture shows of one optimizer.

    Args:
        name: of the optimizer.
        scores: of its final runs; not finite where one failed.
        interval: mean of the scores, lower and upper end.
        curve: (step, mean, lower, upper) of the metric.
    """

    name: str
    scores: Sequence[float]
    interval: tuple[float, float, float]
    curve: Sequence[tuple[float, float, float, float]]


def draw_comparison(optimizers: Sequence[ComparedOptimizer], metric: str, score_metric: str, title: str) -> Figure:
    """Draw both panels, one line and one row an optimizer.

    Args:
        optimizers: at most about ten, the best first.
        metric: of the curves.
        score_metric: of the scores.
        title: of the picture.
    """
    figure = new_figure(12, 4 + 0.15 * len(optimizers))
    scores, curves = figure.subplots(1, 2)
    for i, each in enumerate(optimizers):
        _draw_scores(scores, i, each)
        _draw_curve(curves, i, each)
    style_panel(curves)
    curves.set_title(_plain(metric), loc="left", fontsize=10, color=INK)
    style_panel(scores)
    scores.xaxis.set_major_locator(_ticks())
    scores.xaxis.set_major_formatter(lambda value, _: f"{value:.4g}")
    scores.set_xlabel("final runs (dots), mean and its 95 % interval", color=INK)
    scores.set_yticks(range(len(optimizers)), [_label(each) for each in optimizers])
    scores.set_ylim(max(len(optimizers), 1) - 0.5, -0.5)
    scores.set_title(_plain(score_metric), loc="left", fontsize=10, color=INK)
    if curves.get_legend_handles_labels()[0]:
        curves.legend(loc="upper left", bbox_to_anchor=(1.005, 1), frameon=False, labelcolor=INK, fontsize=9)
    figure.suptitle(_plain(textwrap.fill(title, LINE), 3 * LINE), x=0.01, ha="left", fontsize=11, color=INK)
    return figure


def _plain(text: str, most: int = LONGEST) -> str:
    """Return a text of limited length in which matplotlib finds no formula."""
    return (text if len(text) <= most else f"{text[: most - 1]}…").replace("$", r"\$")


def _label(each: ComparedOptimizer) -> str:
    failed = sum(not math.isfinite(score) for score in each.scores)
    return _plain(each.name) + (f"\n{failed} of {len(each.scores)} runs failed" if failed else "")


def _ticks() -> Locator:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])


def _draw_scores(axes: Axes, i: int, each: ComparedOptimizer) -> None:
    color, marker = LIGHT.lines[i % len(LIGHT.lines)], MARKERS[i % len(MARKERS)]
    known = [score for score in each.scores if math.isfinite(score)]
    axes.plot(known, [i] * len(known), marker, color=color, alpha=0.5, markersize=5)
    center, low, high = each.interval
    if math.isfinite(low) and math.isfinite(high):
        axes.plot([low, high], [i, i], color=color, linewidth=2)
    if math.isfinite(center):
        axes.plot([center], [i], "|", color=color, markersize=16, markeredgewidth=3)


def _draw_curve(axes: Axes, i: int, each: ComparedOptimizer) -> None:
    if not each.curve:
        return
    color, style = LIGHT.lines[i % len(LIGHT.lines)], dashes((i + i // len(LIGHT.lines)) % STYLES)
    steps, means, lows, highs = zip(*each.curve, strict=True)
    axes.plot(steps, means, label=_plain(each.name), color=color, linestyle=style, linewidth=1.8)
    if all(map(math.isfinite, (*lows, *highs))):
        axes.fill_between(steps, lows, highs, color=color, alpha=0.15, linewidth=0)

"""Draws how healthy a run was: one panel a quantity, one line a param group."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lit_optim.plots.palette import LIGHT
from lit_optim.plots.panel import INK, dashes, new_figure, style_panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = {
    "gradient_norm": "gradient norm before clipping",
    "gradient_norm_clipped": "gradient norm, as the optimizer takes it",
    "update_ratio": "update / weight (shaded: usual)",
    "effective_lr": "effective lr: |update| / |gradient|",
    "cosine": "cosine of update and descent",
    "saturation": "share of second moments below eps",
    "amp_skips": "steps skipped by the gradient scaler",
}
LINEAR = {"cosine": (-1.05, 1.05), "saturation": (-0.02, 1.05), "amp_skips": None}
USUAL = (1e-4, 1e-2)

Values = Mapping[str, Mapping[str, Sequence[float]]]  # by quantity and param group; NaN where nothing was measured


def draw_health(steps: Sequence[int], values: Values, title: str = "", warnings: Sequence[str] = ()) -> Figure:
    """Draw a panel for each quantity that was measured, with the warnings below.

    Args:
        steps: optimizer steps that were measured, in order.
        values: of each quantity, by param group, one a step.
        title: of the picture.
        warnings: that the run gave.
    """
    shown = [name for name in PANELS if any(map(_known, values.get(name, {}).values()))]
    groups = [*dict.fromkeys(group for name in shown for group in values[name])]
    rows = max(math.ceil(len(shown) / 2), 1)
    lines = [line for warning in warnings for line in textwrap.wrap(warning, 150)]  # which the width holds
    figure = new_figure(11, 2.6 * rows + 0.6 + 0.2 * len(lines))
    panels = figure.subplots(rows, 2, squeeze=False).flat
    for name, axes in zip(shown, panels, strict=False):
        if name == "update_ratio":
            axes.axhspan(*USUAL, color=LIGHT.bands[0])
        for group, series in values[name].items():
            i, known = groups.index(group), [(x, y) for x, y in zip(steps, series, strict=True) if math.isfinite(y)]
            color, style = LIGHT.lines[i % len(LIGHT.lines)], dashes(i // len(LIGHT.lines) % 6)
            axes.plot(
                *zip(*known, strict=True) if known else ((), ()), label=group, color=color, linestyle=style,
                linewidth=1.6, marker="o", markersize=3,
            )  # fmt: skip
        style_panel(axes)
        if name not in LINEAR:
            axes.set_yscale("log")
        elif LINEAR[name] is not None:
            axes.set_ylim(LINEAR[name])
        axes.set_title(PANELS[name], loc="left", fontsize=10, color=INK)
    for axes in panels:
        axes.set_visible(False)
    handles = {label: h for axes in figure.axes for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(
        handles.values(), handles.keys(), loc="outside right upper", frameon=False, labelcolor=INK, fontsize=9
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    figure.supxlabel("\n".join(lines) or "no warnings", x=0.01, ha="left", fontsize=9, color=INK)
    return figure


def _known(series: Sequence[float]) -> bool:
    return any(map(math.isfinite, series))

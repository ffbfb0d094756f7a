"""Draws a preview: one panel per hyper-parameter, one line per configuration and group, phases shaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lit_optim.plots.panel import INK, draw_lines, new_figure
from lit_optim.plots.phase_shading import shade
from lit_optim.preview.curves import Curve, Preview
from lit_optim.preview.downsample import Points
from lit_optim.scheduler.driven_value import DrivenValue

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {"lr": "learning rate", "weight_decay": "weight decay"}


def labelled_curves(previews: Sequence[Preview], key: str) -> list[tuple[str, Curve]]:
    """List the lines of a panel with their labels; groups with the same values are one line."""
    found = []
    for preview in previews:
        same: dict[tuple[DrivenValue, float], list[Curve]] = {}
        for curve in preview.curves:
            if curve.key == key:
                same.setdefault((curve.driven, curve.initial), []).append(curve)
        for curves in same.values():
            groups = ", ".join(curve.group for curve in curves) if len(same) > 1 else ""
            found.append((": ".join(filter(None, (preview.label, groups))), curves[0]))
    return found


def draw_preview(previews: Sequence[Preview], points: Mapping[Curve, Points], *, log: bool = False) -> Figure:
    """Draw the picture.

    Args:
        previews: configurations.
        points: the steps of every curve and its values there.
        log: whether the values are on a logarithmic scale; values at 0 and below are not drawn then.
    """
    keys = list(dict.fromkeys(curve.key for preview in previews for curve in preview.curves))
    lengths = sorted({preview.total_steps for preview in previews})
    figure = new_figure(9, 1.2 + 2.6 * len(keys))
    panels = figure.subplots(len(keys), 1, sharex=True, squeeze=False)[:, 0]
    for axes, key in zip(panels, keys, strict=True):
        shown = labelled_curves(previews, key)
        draw_lines(axes, [(label, points[curve]) for label, curve in shown], log=log)
        axes.set_xlim(0, lengths[-1])
        plans = list(dict.fromkeys(curve.driven.plan.phases for _, curve in shown))
        if len(plans) == 1 or len(previews) == 1:  # the schedule of all groups is before those of single ones
            shade(axes, plans[0])
        axes.set_ylabel(TITLES.get(key, key), color=INK)
        axes.label_outer()
    title = f"schedule over {' / '.join(map(str, lengths))} optimizer step{'s' * (lengths != [1])}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    epochs = {preview.steps_per_epoch for preview in previews}
    if len(epochs) == 1 and (size := epochs.pop()):
        _add_epochs(panels[0], size)
    return figure


def _add_epochs(axes: Axes, size: int) -> None:
    """Add a second axis on top, in epochs of ``size`` optimizer steps."""
    from matplotlib.ticker import MaxNLocator

    def to_epochs(steps: float) -> float:
        return steps / size

    def to_steps(epochs: float) -> float:
        return epochs * size

    top = axes.secondary_xaxis("top", functions=(to_epochs, to_steps))  # type: ignore[arg-type]  # arrays, says the stub
    top.set_xlabel("epoch", color=INK)
    top.xaxis.set_major_locator(MaxNLocator(8, integer=axes.get_xlim()[1] >= 2 * size, steps=[1, 2, 2.5, 5, 10]))
    top.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    top.tick_params(length=0, colors=INK)
    top.spines[:].set_visible(False)

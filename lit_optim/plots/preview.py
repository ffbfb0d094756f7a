"""A preview as a picture: a panel a hyper-parameter, a line a configuration and group, phases shaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lit_optim.plots.phase_shading import shade
from lit_optim.plots.style import COLORS, INK, new_figure, style_steps_panel
from lit_optim.preview.curves import Curve, Preview
from lit_optim.preview.downsample import Downsampled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# every line has its own dashes, so that a print without colors can be read
DASHES: tuple[Any, ...] = (
    "-",
    (0, (6, 2)),
    (0, (2, 1.5)),
    (0, (8, 2, 2, 2)),
    (0, (4, 1, 1, 1, 1, 1)),
    (0, (1, 2)),
)
HEADROOM = 0.3  # above the curves, for the names of phases, which may be upright
DECADES = 1e6  # that a logarithmic scale shows; a cosine ends at nearly 0
TITLES = {"lr": "learning rate", "weight_decay": "weight decay"}

Line = tuple[str, Preview, Curve]


def lines(previews: Sequence[Preview], key: str) -> list[Line]:
    """The lines of a panel with their names; groups with the same values are one line."""
    found: list[Line] = []
    for preview in previews:
        same: dict[tuple[int, float], list[Curve]] = {}
        for curve in preview.curves:
            if curve.key == key:
                same.setdefault((id(curve.lane), curve.initial), []).append(curve)
        for curves in same.values():
            groups = ", ".join(curve.group for curve in curves) if len(same) > 1 else ""
            found.append((": ".join(filter(None, (preview.label, groups))), preview, curves[0]))
    return found


def look(i: int) -> tuple[str, Any]:
    """The colour and the dashes of line i: different pairs as long as there are any.

    Example:
        >>> len({str(look(i)) for i in range(36)})
        36
    """
    return COLORS[i % len(COLORS)], DASHES[(i + i // len(COLORS)) % len(DASHES)]


def draw_preview(previews: Sequence[Preview], points: dict[int, Downsampled], *, log: bool = False) -> Figure:
    """The picture.

    Args:
        previews: configurations.
        points: of every lane, by its id.
        log: whether the values are on a logarithmic scale; values at 0 and below are not drawn then.
    """
    keys = list(dict.fromkeys(curve.key for preview in previews for curve in preview.curves))
    figure = new_figure(9, 1.2 + 2.6 * len(keys))
    last = max(preview.total_steps for preview in previews)
    panels = figure.subplots(len(keys), 1, sharex=True, squeeze=False)[:, 0]
    for axes, key in zip(panels, keys, strict=True):
        shown = lines(previews, key)
        for i, (label, _, curve) in enumerate(shown):
            color, dashes = look(i)
            thin = points[id(curve.lane)]
            values = [curve.initial * factor for factor in thin.factors]
            mark = "o" if len(values) == 1 else ""
            axes.plot(
                thin.steps, values, color=color, linestyle=dashes, linewidth=1.8, label=label, marker=mark, clip_on=log
            )
        axes.set_xlim(0, last)
        _scale(axes, log)
        plans = list(dict.fromkeys(curve.lane.plan.phases for _, _, curve in shown))
        if len(plans) == 1 or len(previews) == 1:  # groups with a schedule of their own come after the default
            shade(axes, plans[0])
        axes.set_ylabel(TITLES.get(key, key), color=INK)
        style_steps_panel(axes)
        if len(shown) > 1:
            axes.legend(loc="upper left", bbox_to_anchor=(1.005, 1), frameon=False, labelcolor=INK, fontsize=9)
    panels[-1].set_xlabel("optimizer step", color=INK)
    epochs = {preview.steps_per_epoch for preview in previews}
    figure.suptitle(_title(previews), x=0.01, ha="left", fontsize=11, color=INK)
    if len(epochs) == 1 and (size := epochs.pop()):
        _epochs(panels[0], size)
    return figure


def _title(previews: Sequence[Preview]) -> str:
    lengths = sorted({preview.total_steps for preview in previews})
    return f"schedule over {' / '.join(map(str, lengths))} optimizer step{'s' * (lengths != [1])}"


def _scale(axes: Axes, log: bool) -> None:
    """From 0 upwards where the lowest value is not far above it; with room for the names of phases."""
    from matplotlib.ticker import MaxNLocator

    if log and math.isfinite(axes.dataLim.minposy):
        axes.set_yscale("log")
        low, high = max(axes.dataLim.minposy, axes.dataLim.ymax / DECADES), axes.dataLim.ymax
        axes.set_ylim(low / (high / low) ** 0.05 / 1.1, high * (high / low) ** HEADROOM * 1.1)
        return
    low, high = axes.dataLim.intervaly
    low = min(low, 0.0) if low <= high / 2 else low - 0.1 * (high - low)
    if low == high:
        low, high = (0.0, high) if high > 0 else (low - 1, high + 1)
    axes.set_ylim(low, high + HEADROOM * (high - low))
    axes.set_yticks([tick for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high * 1.001])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _epochs(axes: Axes, size: int) -> None:
    """A second axis on top, in epochs."""
    from matplotlib.ticker import MaxNLocator

    def to_epochs(steps: Any) -> Any:
        return steps / size

    def to_steps(epochs: Any) -> Any:
        return epochs * size

    top = axes.secondary_xaxis("top", functions=(to_epochs, to_steps))
    top.set_xlabel("epoch", color=INK)
    last = axes.get_xlim()[1] / size
    top.xaxis.set_major_locator(MaxNLocator(8, integer=last >= 2, steps=[1, 2, 2.5, 5, 10]))
    top.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    top.tick_params(length=0, colors=INK)
    top.spines[:].set_visible(False)

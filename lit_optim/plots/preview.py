"""Draws a preview: one panel per hyper-parameter, one line per configuration and group, phases shaded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from lit_optim.plots.bands import bands
from lit_optim.plots.panel import INK, add_epochs, draw_lines, new_figure
from lit_optim.plots.phase_shading import shade
from lit_optim.preview.curves import Curve, Preview
from lit_optim.preview.downsample import Points
from lit_optim.scheduler.driven_value import DrivenValue
from lit_optim.schedules.plan.plan import Phase, plan_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLES = {"lr": "learning rate", "weight_decay": "weight decay"}
MOST_NAMES = 3  # of optimizers and of schedules in a title


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


def title_of(previews: Sequence[Preview]) -> str:
    """Name the optimizers, the schedules and the length of the runs.

    Example:
        >>> from lit_optim.config.read.command_line import choices
        >>> from lit_optim.preview.curves import preview
        >>> words = ["optimizer=adamw", "scheduler=warmup_cosine,wsd", "total_steps=1000"]
        >>> title_of([preview(choice) for choice in choices(words)])
        'AdamW, warmup + cosine / wsd: 1,000 optimizer steps'
    """
    optimizers = _listed((one.optimizer for one in previews), "optimizers")
    lrs = [curve for one in previews for curve in one.curves if curve.key == one.curves[0].key]
    schedules = _listed((plan_name(curve.driven.plan) for curve in lrs), "schedules")
    lengths = sorted({one.total_steps for one in previews})
    return f"{optimizers}, {schedules}: {' / '.join(f'{n:,}' for n in lengths)} optimizer step{'s' * (lengths != [1])}"


def _listed(names: Iterable[str], many: str) -> str:
    distinct = list(dict.fromkeys(names))
    return " / ".join(distinct) if len(distinct) <= MOST_NAMES else f"{len(distinct)} {many}"


def bands_of(curves: Sequence[Curve], points: Mapping[Curve, Points], last: int) -> list[Phase]:
    """Divide the run into the bands that all curves have; only into their phases where these are the same; else none.

    Args:
        curves: of one panel.
        points: the steps of every curve and its values there.
        last: optimizer steps of the longest run.
    """
    finest = [bands(curve.driven.plan.phases, *points[curve], last) for curve in curves]
    if all(each == finest[0] for each in finest):
        return finest[0]
    phases = [curve.driven.plan.phases for curve in curves]
    return bands(phases[0], [0], [0.0], last) if all(each == phases[0] for each in phases) else []


def draw_preview(
    previews: Sequence[Preview], points: Mapping[Curve, Points], *, log: bool = False, width: float = 9.0
) -> Figure:
    """Draw the picture.

    Args:
        previews: configurations.
        points: the steps of every curve and its values there.
        log: whether values are on a logarithmic scale in any case; those at 0 and below are not drawn then.
        width: inches; letters have the same size in a narrow picture.
    """
    keys = list(dict.fromkeys(curve.key for preview in previews for curve in preview.curves))
    last = max(preview.total_steps for preview in previews)
    figure = new_figure(width, (1.2 + 2.6 * len(keys)) * math.sqrt(width / 9))
    panels = figure.subplots(len(keys), 1, sharex=True, squeeze=False)[:, 0]
    for axes, key in zip(panels, keys, strict=True):
        shown = labelled_curves(previews, key)
        draw_lines(axes, [(label, points[curve]) for label, curve in shown], log=log)
        axes.set_xlim(0, last)
        # of one configuration, the schedule of all groups is before those of single ones
        shade(axes, bands_of([curve for _, curve in (shown[:1] if len(previews) == 1 else shown)], points, last))
        axes.set_ylabel(TITLES.get(key, key), color=INK)
        axes.label_outer()
    figure.suptitle(title_of(previews), x=0.01, ha="left", fontsize=11, color=INK)
    sizes = {preview.steps_per_epoch for preview in previews}
    if len(sizes) == 1:
        add_epochs(panels[0], sizes.pop())
    return figure

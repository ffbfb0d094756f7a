"""Writes the picture of a comparison, where matplotlib is installed."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path

from lit_optim.plots.comparison import ComparedOptimizer, draw_comparison
from lit_optim.study.summary import Summary

PICTURE = "report.png"


def picture_missing() -> str:
    """Return what to install for the picture; '' where it can be drawn."""
    return f"{PICTURE} is left out: pip install 'lit-optim[plot]'" if find_spec("matplotlib") is None else ""


def write_picture(summary: Summary, folder: str | Path) -> None:
    """Write ``report.png``, unless matplotlib is missing.

    Args:
        summary: of the comparison.
        folder: that exists.
    """
    if picture_missing():
        return
    shown = [
        ComparedOptimizer(
            each.name,
            [run.score for run in each.finals],
            (each.mean.center, each.mean.low, each.mean.high),
            [(point.step, point.center, point.low, point.high) for point in each.band],
        )
        for each in summary.contenders
    ]
    figure = draw_comparison(shown, summary.metric, summary.score_metric, summary.title)
    with warnings.catch_warnings():  # a font without a letter of a name draws a box in its place
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        figure.savefig(Path(folder) / PICTURE, metadata={"Software": None})  # without the version of matplotlib

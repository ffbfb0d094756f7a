"""Draws every scheduler preset as training sees it: ``python examples/plot_schedules.py schedules.png``."""

from __future__ import annotations

import sys
from typing import Any

import matplotlib as mpl
import torch

import lit_optim

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

TOTAL = 200
NAMES = [name for name in lit_optim.presets("scheduler") if name != "none"]
STYLES: dict[str, Any] = {"": {"color": "#9aa5b1"}, "warmup_": {"color": "#1f5fbf", "linewidth": 1.8}}
NOTE = "a metric that stands still,\nseen at every 4th step"


def curve(name: str) -> list[float]:
    """Returns the lr of each optimizer step of a run; a plateau gets the same metric again and again."""
    optimizer = lit_optim.build_optimizer("sgd", torch.nn.Linear(1, 1), lr=1.0)
    schedule = lit_optim.build_scheduler(name, optimizer, total_steps=TOTAL)
    values = []
    for step in range(TOTAL):
        values.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        schedule.step()
        if isinstance(schedule, lit_optim.ScheduleLR) and schedule.follows_metric and step % 4 == 3:
            schedule.step_metric(1.0)
    return values


def draw(path: str) -> None:
    """Draws one small panel a schedule, with its `warmup_` variant in the same panel."""
    plain = [name for name in NAMES if not name.startswith("warmup_")]
    columns = 4
    rows = -(-len(plain) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(10, 2.1 * rows), sharex=True, sharey=True, layout="constrained")
    for ax in axes.flat[len(plain) :]:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, plain, strict=False):
        for prefix, style in STYLES.items():
            ax.plot(curve(f"{prefix}{name}"), **style)
        ax.set_title(name, fontsize=10, loc="left")
        if name == "plateau":
            ax.text(0.98, 0.98, NOTE, transform=ax.transAxes, ha="right", va="top", fontsize=8, color="#444444")
        ax.set_ylim(-0.03, 1.08)
        ax.set_xticks([0, TOTAL // 2, TOTAL], ["0", "50%", "100%"], fontsize=8)
        ax.set_yticks([0, 0.5, 1], ["0", "0.5 lr", "lr"], fontsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    handles = [Line2D([], [], **style) for style in STYLES.values()]
    labels = ["as it is", "with warmup_ in front (5 %)"]
    figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    draw(sys.argv[1] if len(sys.argv) > 1 else "schedules.png")

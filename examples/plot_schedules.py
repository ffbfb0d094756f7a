"""Draws every scheduler preset as training sees it: ``python examples/plot_schedules.py schedules.png``."""

from __future__ import annotations

import sys

import matplotlib as mpl
import torch

import lit_optim

mpl.use("Agg")
from matplotlib import pyplot as plt

TOTAL = 200
NAMES = [name for name in lit_optim.presets("scheduler") if name != "none" and not name.startswith("warmup_")]
NOTE = "a metric that stands still,\nseen at every 4th step"
COLUMNS = 4


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
    """Draws a small panel a schedule, with and without a warmup."""
    rows = -(-len(NAMES) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(10, 2.1 * rows), sharex=True, sharey=True, layout="constrained")
    for ax in axes.flat[len(NAMES) :]:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, NAMES, strict=False):
        (alone,) = ax.plot(curve(name), color="#9aa5b1")
        (warm,) = ax.plot(curve(f"warmup_{name}"), color="#1f5fa8", linewidth=1.8)
        ax.set_title(name, fontsize=10, loc="left")
        if name == "plateau":
            ax.text(0.98, 0.98, NOTE, transform=ax.transAxes, ha="right", va="top", fontsize=8, color="#444444")
        ax.set_ylim(-0.03, 1.08)
        ax.set_xticks([0, TOTAL // 2, TOTAL], ["0", "50%", "100%"], fontsize=8)
        ax.set_yticks([0, 0.5, 1], ["0", "0.5 lr", "lr"], fontsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    labels = ["as it is", "with warmup_ in front (5 %)"]
    figure.legend([alone, warm], labels, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    draw(sys.argv[1] if len(sys.argv) > 1 else "schedules.png")

"""Draws every scheduler preset as training sees it: ``python examples/plot_schedules.py schedules.png``."""

from __future__ import annotations

import sys

import torch
from matplotlib.figure import Figure

import lit_optim
from lit_optim.plots.palette import LIGHT

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
    """Draws a small panel a schedule, with and without a warmup, whose steps are shaded."""
    rows = -(-len(NAMES) // COLUMNS)
    figure = Figure(figsize=(10, 0.6 + 2.1 * rows), layout="constrained", facecolor=LIGHT.background)
    axes = figure.subplots(rows, COLUMNS, sharex=True, sharey=True)
    for ax in axes.flat[len(NAMES) :]:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, NAMES, strict=False):
        ax.axvspan(0, TOTAL // 20, color=LIGHT.bands[1], linewidth=0)
        ax.axvspan(TOTAL // 20, TOTAL, color=LIGHT.bands[0], linewidth=0)
        (alone,) = ax.plot(curve(name), color=LIGHT.lines[1], linewidth=1.4, linestyle=(0, (4, 2)))
        (warm,) = ax.plot(curve(f"warmup_{name}"), color=LIGHT.lines[0], linewidth=1.8)
        ax.set_title(name, fontsize=10, loc="left", color=LIGHT.ink)
        if name == "plateau":
            ax.text(0.98, 0.98, NOTE, transform=ax.transAxes, ha="right", va="top", fontsize=8, color=LIGHT.ink)
        ax.set(xlim=(0, TOTAL), ylim=(-0.03, 1.08))
        ax.set_xticks([0, TOTAL // 2, TOTAL], ["0", "50%", "100%"], fontsize=8)
        ax.set_yticks([0, 0.5, 1], ["0", "0.5 lr", "lr"], fontsize=8)
        ax.tick_params(length=0, colors=LIGHT.ink)
        ax.spines[:].set_visible(False)
    for ax in axes.flat[len(NAMES) - COLUMNS : len(NAMES)]:
        ax.tick_params(labelbottom=True)
    title = "Every scheduler preset: the lr over the optimizer steps of a run"
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, color=LIGHT.ink)
    labels = ["as it is", "with warmup_ in front (5 %, shaded)"]
    look = {"frameon": False, "fontsize": 9, "labelcolor": LIGHT.ink}
    figure.legend([alone, warm], labels, loc="outside lower right", ncols=2, **look)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    draw(sys.argv[1] if len(sys.argv) > 1 else "schedules.png")

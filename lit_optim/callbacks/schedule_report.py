from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch.optim import Optimizer

from lit_optim.callbacks.report_files import write_report
from lit_optim.errors import ConfigError, wrong
from lit_optim.lightning_api import Callback, LightningModule, Trainer
from lit_optim.plots.phase_shading import INK, shade
from lit_optim.scheduler.schedule_lr import ScheduleLR

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lit_optim.schedules.plan.plan import Phase

Lrs = Mapping[str, Sequence[float]]  # by param group, one value an optimizer step; NaN where there was no such group

LINE_COLORS = ("#1f5fa8", "#d1622b", "#3b8f5a", "#8a4fa3", "#b3873b", "#4a4a4a")


def table(steps: Sequence[int], lrs: Lrs) -> Iterator[list[Any]]:
    """Yields the rows of the csv file, the header first; one group needs no name.

    Example:
        >>> list(table([0, 1], {"default": [0.1, 0.2]}))
        [['step', 'lr'], [0, 0.1], [1, 0.2]]
    """
    yield ["step", *(["lr"] if len(lrs) == 1 else [f"lr/{name}" for name in lrs])]
    for step, *values in zip(steps, *lrs.values(), strict=True):
        yield [step, *("" if math.isnan(value) else value for value in values)]


def joined(lrs: Lrs) -> dict[str, Sequence[float]]:
    """Merges groups that have the same values.

    Example:
        >>> joined({"a": [0.1], "b": [0.2], "c": [0.1]})
        {'a, c': [0.1], 'b': [0.2]}
    """
    names: dict[bytes, list[str]] = {}
    for name, values in lrs.items():
        names.setdefault(array("d", values).tobytes(), []).append(name)
    return {", ".join(same): lrs[same[0]] for same in names.values()}


def draw_report(steps: Sequence[int], lrs: Lrs, phases: Sequence[Phase] = ()) -> Figure:
    """The learning rate over optimizer steps: a line a group, and every other phase shaded, with its name."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    lines = joined(lrs)
    for (name, values), color in zip(lines.items(), itertools.cycle(LINE_COLORS)):
        axes.plot(steps, values, color=color, linewidth=2, label=name, zorder=3, marker="o" if len(steps) == 1 else "")
    top = max((value for values in lines.values() for value in values if not math.isnan(value)), default=0.0) or 1.0
    axes.set_ylim(0, top * 1.25)  # the names of the phases are above the lines
    axes.set_yticks([tick for tick in MaxNLocator(6).tick_values(0, top) if tick <= top * 1.001])
    axes.set_xlim(steps[0], max(steps[-1], steps[0] + 1))
    shade(axes, phases)
    title = f"learning rate over {len(steps)} optimizer step{'s' * (len(steps) != 1)}"
    axes.set_title(title, loc="left", fontsize=12, color=INK, pad=10)
    axes.set_xlabel("optimizer step", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.tick_params(length=0, colors=INK)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    if len(lines) > 1:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(lines), frameon=False, labelcolor=INK)
    return figure


class ScheduleReport(Callback):
    """Reports the lr that each optimizer step used: ``schedule.csv``, and with matplotlib ``schedule.png``.

    The config says what was asked for; this is what the run did, whatever wrote the lr. Files are written when a fit
    ends or fails, by rank 0. A resumed run reports the steps since its checkpoint.

    Args:
        folder: where to write; a relative one lies in the Trainer's ``default_root_dir``.

    Raises:
        ConfigError: for a folder that is no path.

    Example:
        >>> ScheduleReport(folder="reports").folder
        PosixPath('reports')
    """

    def __init__(self, folder: str | Path = "optim") -> None:
        if not isinstance(folder, (str, Path)) or not str(folder).strip():
            raise ConfigError(wrong("folder", folder, "must be the path of a folder"))
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigError(wrong("folder", str(folder), "is a file; must be the path of a folder"))
        self._steps, self._lrs = array("q"), dict[str, "array[float]"]()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drops the lrs of an earlier fit."""
        self._steps, self._lrs = array("q"), {}

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Records the lrs, once a step: LBFGS calls this hook many times in one."""
        step = trainer.global_step
        if self._steps and self._steps[-1] == step:
            return
        for i, group in enumerate(optimizer.param_groups):
            name = group.get("name") or str(i)
            if name not in self._lrs:  # the first step, or a group that was added later
                self._lrs[name] = array("d", [math.nan] * len(self._steps))
            self._lrs[name].append(float(group["lr"]))
        self._steps.append(step)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the files."""
        if self._steps:
            schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
            phases = next((scheduler.phases for scheduler in schedulers if isinstance(scheduler, ScheduleLR)), ())
            rows = table(self._steps, self._lrs)
            write_report(trainer, self.folder, "schedule", rows, lambda: draw_report(self._steps, self._lrs, phases))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Writes the steps so far."""
        self.on_fit_end(trainer, pl_module)

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch.optim import Optimizer

from lit_optim.errors import ConfigError, wrong
from lit_optim.lightning_api import Callback, LightningModule, Trainer
from lit_optim.plots.report_files import write_report
from lit_optim.plots.run_facts import run_facts
from lit_optim.plots.used_lr import Lrs, draw_report

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def table(steps: Sequence[int], lrs: Lrs) -> Iterator[list[Any]]:
    """Yield the rows of the csv file, the header first; one group needs no name.

    Example:
        >>> list(table([0, 1], {"default": [0.1, 0.2]}))
        [['step', 'lr'], [0, 0.1], [1, 0.2]]
    """
    yield ["step", *(["lr"] if len(lrs) == 1 else [f"lr/{name}" for name in lrs])]
    for step, *values in zip(steps, *lrs.values(), strict=True):
        yield [step, *("" if math.isnan(value) else value for value in values)]


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
        """Drop the lrs of an earlier fit."""
        self._steps, self._lrs = array("q"), {}

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Record the lrs of all optimizers, once a step: LBFGS calls this hook many times in one."""
        step, several = trainer.global_step, len(trainer.optimizers) > 1
        if self._steps and self._steps[-1] == step:
            return
        groups = [
            (o, i, group) for o, each in enumerate(trainer.optimizers) for i, group in enumerate(each.param_groups)
        ]
        for o, i, group in groups:
            name = group.get("name") or (f"{o}/{i}" if several else str(i))
            if name not in self._lrs:  # the first step, or a group that was added later
                self._lrs[name] = array("d", [math.nan] * len(self._steps))
            self._lrs[name].append(float(group["lr"]))
        self._steps.append(step)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the files."""
        if self._steps:
            write_report(trainer, self.folder, "schedule", table(self._steps, self._lrs), lambda: self._draw(trainer))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write the steps so far."""
        self.on_fit_end(trainer, pl_module)

    def _draw(self, trainer: Trainer) -> Figure:
        facts = run_facts(trainer)
        return draw_report(self._steps, self._lrs, facts.phases, facts.title, facts.epoch)

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch.optim import Optimizer

from lit_optim.errors import ConfigError, wrong
from lit_optim.lightning_api import Callback, LightningModule, Trainer, rank_zero_info, rank_zero_warn
from lit_optim.plots.used_lr import Lrs, draw_report
from lit_optim.scheduler.schedule_lr import ScheduleLR


def table(steps: Sequence[int], lrs: Lrs) -> Iterator[list[Any]]:
    """The rows of the csv file, the header first; one group needs no name.

    Example:
        >>> list(table([0, 1], {"default": [0.1, 0.2]}))
        [['step', 'lr'], [0, 0.1], [1, 0.2]]
    """
    yield ["step", *(["lr"] if len(lrs) == 1 else [f"lr/{name}" for name in lrs])]
    for step, *values in zip(steps, *lrs.values(), strict=True):
        yield [step, *("" if math.isnan(value) else value for value in values)]


class ScheduleReport(Callback):
    """Writes down the lr that each optimizer step used: ``schedule.csv``, and with matplotlib ``schedule.png``.

    What was asked for is in the config; this is what the run did, whoever wrote the lr. Files are written when a fit
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
        self._start_over()

    def _start_over(self) -> None:
        self._steps, self._lrs = array("q"), dict[str, "array[float]"]()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forgets the fit before."""
        self._start_over()

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Notes the lrs, once a step: LBFGS comes here many times in one."""
        step = trainer.global_step
        if self._steps and self._steps[-1] == step:
            return
        for i, group in enumerate(optimizer.param_groups):
            name = group.get("name") or str(i)
            lrs = self._lrs.get(name)
            if lrs is None:  # the first step, or a group that was added later
                lrs = self._lrs[name] = array("d", [math.nan] * len(self._steps))
            lrs.append(float(group["lr"]))
        self._steps.append(step)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the files."""
        self._write_or_warn(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Writes what there is."""
        self._write_or_warn(trainer)

    def _write_or_warn(self, trainer: Trainer) -> None:
        try:
            self._write(trainer)
        except OSError as error:  # a report is not worth a finished run
            rank_zero_warn(f"the schedule's report could not be written: {error}")

    def _write(self, trainer: Trainer) -> None:
        if not self._steps or not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        folder = Path(trainer.default_root_dir) / self.folder
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "schedule.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(table(self._steps, self._lrs))
        if find_spec("matplotlib") is None:
            rank_zero_info(f"{folder / 'schedule.csv'}: for a picture of it, pip install 'lit-optim[plot]'")
            return
        schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
        phases = next((scheduler.phases for scheduler in schedulers if isinstance(scheduler, ScheduleLR)), ())
        draw_report(self._steps, self._lrs, phases).savefig(folder / "schedule.png")

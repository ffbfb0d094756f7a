from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from lit_optim.errors import ConfigError, wrong
from lit_optim.lightning_api import Callback, LightningModule, Trainer
from lit_optim.plots.report_files import write_report
from lit_optim.plots.run_facts import run_facts
from lit_optim.plots.used_lr import draw_report
from lit_optim.scheduler.driven_value import DrivenValue, is_tensor
from lit_optim.scheduler.logged_batches import log_batch, logs_batch
from lit_optim.scheduler.schedule_lr import ScheduleLR

if TYPE_CHECKING:
    from matplotlib.figure import Figure

T = TypeVar("T")
Key = tuple[str, str]  # of a hyper-parameter, and the name of a param group
Place = tuple[dict[str, Any], str, "int | None"]  # of a value: its group, the key, and the index into a tuple
LR, UNNAMED = "lr", "pg1"  # as Lightning's LearningRateMonitor names the first group that has no name


def named_values(values: Mapping[Key, T]) -> dict[str, T]:
    """Name the values ``lr/<group>``, ``momentum/<group>`` as a LearningRateMonitor does: one group needs no name.

    Example:
        >>> named_values({("lr", "pg1"): 0.1}), named_values({("lr", "head"): 0.1, ("momentum", "head"): 0.9})
        ({'lr': 0.1}, {'lr/head': 0.1, 'momentum/head': 0.9})
    """
    alone = {group for _, group in values} == {UNNAMED}
    return {key if alone else f"{key}/{group}": each for (key, group), each in values.items()}


def logged_key(key: str) -> str:
    """Return the name in logs of a key of param groups, which some loggers take without brackets only.

    Example:
        >>> logged_key("weight_decay"), logged_key("betas[0]"), logged_key("betas[1]")
        ('weight_decay', 'momentum', 'betas.1')
    """
    return "momentum" if key == "betas[0]" else re.sub(r"\[(\d+)\]", r".\1", key)


def table(steps: Sequence[int], values: Mapping[str, Sequence[float]]) -> Iterator[list[Any]]:
    """Yield the rows of the csv file, the header first.

    Example:
        >>> list(table([0, 1], {"lr": [0.1, 0.2]}))
        [['step', 'lr'], [0, 0.1], [1, 0.2]]
    """
    yield ["step", *values]
    for step, *row in zip(steps, *values.values(), strict=True):
        yield [step, *("" if math.isnan(value) else value for value in row)]


def layout_of(trainer: Trainer) -> tuple[list[Any], list[DrivenValue]]:
    """Return what decides which values there are: the groups, their names, which are scheduled, and what is driven."""
    groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
    schedules = [config.scheduler for config in trainer.lr_scheduler_configs]
    driven = [value for each in schedules if isinstance(each, ScheduleLR) for value in each.driven_values]
    return [(id(group), group.get("name"), group.get("scheduled")) for group in groups], driven


def places_of_values(trainer: Trainer) -> dict[Key, Place]:
    """Return where the lr of every param group is, then whatever else a schedule drives."""
    several, names, found = len(trainer.optimizers) > 1, dict[int, str](), dict[Key, Place]()
    for o, optimizer in enumerate(trainer.optimizers):
        for i, group in enumerate(optimizer.param_groups):
            names[id(group)] = group.get("name") or (f"{o}/pg{i + 1}" if several else f"pg{i + 1}")
            found[LR, names[id(group)]] = group, LR, None
    for config in trainer.lr_scheduler_configs:
        if isinstance(schedule := config.scheduler, ScheduleLR):
            for value in schedule.driven_values:
                for group in schedule.optimizer.param_groups if value.key != LR else ():
                    if id(group) in names and value.drives(group):
                        found[logged_key(value.key), names[id(group)]] = group, value.name, value.index
    return found


class ScheduleReport(Callback):
    """Reports the lr that each optimizer step used: ``schedule.csv``, and with matplotlib ``schedule.png``.

    The config says what was asked for; this is what the run did, whatever wrote the lr. What else a schedule drives has
    columns too, and is logged as ``momentum/<group>``. Files are written when a fit ends or fails, by rank 0. A resumed
    run reports the steps since its checkpoint.

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
        self._forget()

    def _forget(self) -> None:
        self._steps, self._values = array("q"), dict[Key, "array[float]"]()
        self._layout: Any = None
        self._places = dict[Key, Place]()
        self._tensors: list[tuple[array[float], int, Tensor]] = []  # values that are read later: now, a GPU would wait
        self._is_logged = True

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drop the values of an earlier fit."""
        self._forget()

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Record the values of all optimizers, once a step: LBFGS calls this hook many times in one."""
        step = trainer.global_step
        if self._steps and self._steps[-1] == step:
            return
        if (layout := layout_of(trainer)) != self._layout:
            self._layout, self._places = layout, places_of_values(trainer)
            for key in self._places:  # new at the first step, and of a group that was added later
                self._values.setdefault(key, array("d", [math.nan] * len(self._steps)))
        for key, column in self._values.items():
            column.append(self._read(column, *self._places[key]) if key in self._places else math.nan)
        self._steps.append(step)
        self._is_logged = False

    def _read(self, column: array[float], group: dict[str, Any], name: str, index: int | None) -> float:
        value = group[name] if index is None else group[name][index]
        if is_tensor(value):
            self._tensors.append((column, len(column), value.detach().clone()))
            return math.nan
        return math.nan if value is None else value  # of an optimizer that finds its own lr

    def _read_tensors(self) -> None:
        for column, i, value in self._tensors:
            column[i] = float(value)
        self._tensors.clear()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log what the step used besides the lr, which a LearningRateMonitor logs, as often as the Trainer logs."""
        logs = logs_batch(trainer)
        if self._is_logged or not (logs or trainer.fit_loop.epoch_loop.batch_progress.is_last_batch):
            return
        self._is_logged = True
        self._read_tensors()
        names = zip(self._places, named_values(self._places), strict=True)
        last = {name: self._values[key][-1] for key, name in names if key[0] != LR}
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in last.items()})
        if logs and last:
            log_batch(trainer, last)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the files."""
        self._read_tensors()
        if self._steps:
            rows = table(self._steps, named_values(self._values))
            write_report(trainer, self.folder, "schedule", rows, lambda: self._draw(trainer))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write the steps so far."""
        self.on_fit_end(trainer, pl_module)

    def _draw(self, trainer: Trainer) -> Figure:
        facts = run_facts(trainer)
        lrs = {group: values for (key, group), values in self._values.items() if key == LR}
        return draw_report(self._steps, lrs, facts.phases, facts.title, facts.epoch)

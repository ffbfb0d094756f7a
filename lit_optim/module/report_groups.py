"""Reports the param groups of a fit: a line on the console, and a csv file in the folder of its logs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.optim import Optimizer

from lit_optim.config.card_of_optimizers import card_of_optimizers
from lit_optim.config.resolve import Resolved
from lit_optim.lightning_api import Trainer, rank_zero_info
from lit_optim.plots.report_files import write_table

if TYPE_CHECKING:
    from lit_optim.lightning_api import Callback  # not before Lightning: either package may be imported after this


def report_groups(
    parts: Sequence[Resolved], module: nn.Module, optimizers: Sequence[Optimizer], trainer: Trainer | None
) -> Callable[[], Any] | None:
    """Print the param groups in one line on rank 0; return what writes ``optim/param_groups.csv`` when training starts.

    Nothing is reported of a single group of all parameters. The file is written beside ``schedule.csv`` where there is
    a `ScheduleReport`; else, for groups with names, into the folder of a logger.

    Args:
        parts: the specs of each optimizer.
        module: that is trained.
        optimizers: built over it.
        trainer: of the fit; None: there is none.
    """
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    if trainer is None or (len(groups) == 1 and all(p.requires_grad for p in module.parameters())):
        return None
    present: list[object] = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
    from lit_optim.callbacks import ScheduleReport

    report = next((each for each in present if isinstance(each, ScheduleReport)), None)
    folder = None if report is None else Path(trainer.default_root_dir) / report.folder
    if folder is None and any("name" in group for group in groups) and trainer.loggers and trainer.log_dir:
        folder = Path(trainer.log_dir) / "optim"
    card = card_of_optimizers(parts, module, optimizers)
    rank_zero_info(card.summary())
    if folder is None:
        return None
    return functools.partial(write_table, trainer, folder / "param_groups.csv", [*card.rows()])


def schedule_report(callbacks: Sequence[Any], trainer: Trainer | None) -> list[Callback]:
    """Return a `ScheduleReport`, if there is none among the callbacks and those of the Trainer."""
    from lit_optim.callbacks import ScheduleReport

    present = [*callbacks, *getattr(trainer, "callbacks", ())]
    return [] if any(isinstance(each, ScheduleReport) for each in present) else [ScheduleReport()]

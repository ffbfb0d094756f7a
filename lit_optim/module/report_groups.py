"""Reports the param groups of a fit: a line on the console, and a csv file in the folder of its logs."""

from __future__ import annotations

from pathlib import Path

from torch.optim import Optimizer

from lit_optim.callbacks.schedule_report import ScheduleReport
from lit_optim.config.resolve import Resolved
from lit_optim.lightning_api import LightningModule, Trainer, rank_zero_info
from lit_optim.plots.report_files import write_table


def report_groups(resolved: Resolved, module: LightningModule, optimizer: Optimizer, trainer: Trainer) -> None:
    """Print the param groups in one line on rank 0, and write ``optim/param_groups.csv``.

    The file is written beside ``schedule.csv`` where there is a `ScheduleReport`; else, for groups with names, into the
    folder of a logger.

    Args:
        resolved: the specs in force.
        module: that is trained.
        optimizer: built over it.
        trainer: of the fit.
    """
    present: list[object] = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
    report = next((each for each in present if isinstance(each, ScheduleReport)), None)
    folder = None if report is None else Path(trainer.default_root_dir) / report.folder
    named = any("name" in group for group in optimizer.param_groups)
    if folder is None and named and trainer.loggers and trainer.log_dir:
        folder = Path(trainer.log_dir) / "optim"
    card = resolved.card(module, optimizer)
    rank_zero_info(card.summary())
    if folder is not None:
        write_table(trainer, folder / "param_groups.csv", card.rows())

"""Write a callback's report: a table, and a picture where matplotlib is installed."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lit_optim.lightning_api import Trainer, rank_zero_info, rank_zero_warn

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_report(
    trainer: Trainer, folder: Path, name: str, rows: Iterable[Sequence[Any]], draw: Callable[[], Figure]
) -> None:
    """Write ``name.csv`` and ``name.png`` on rank 0; warn of a failure, as the run is finished.

    Args:
        trainer: nothing is written in its ``fast_dev_run``.
        folder: a relative one lies in the Trainer's ``default_root_dir``.
        name: of both files.
        rows: of the table, the header first.
        draw: the picture.
    """
    folder = Path(trainer.default_root_dir) / folder
    if not write_table(trainer, folder / f"{name}.csv", rows):
        return
    try:
        if find_spec("matplotlib") is None:
            rank_zero_info(f"{folder / name}.csv: for a picture of it, pip install 'lit-optim[plot]'")
        else:
            draw().savefig(folder / f"{name}.png")
    except OSError as error:
        rank_zero_warn(f"the report {name}.csv could not be written: {error}")


def write_table(trainer: Trainer, path: Path, rows: Iterable[Sequence[Any]]) -> bool:
    """Write a csv file on rank 0, but in a ``fast_dev_run``; return whether it was written, and warn of a failure."""
    if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]  # set by a connector
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    except OSError as error:
        rank_zero_warn(f"the report {path.name} could not be written: {error}")
        return False
    return True

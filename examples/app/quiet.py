"""Silences what Lightning says to everybody at every run, and nothing that tells about this one."""

from __future__ import annotations

import logging
import warnings

NO_NEWS = (
    "Tip:",  # advertisements
    "available: False",  # kinds of devices that the machine has not
    "TPU available",
    "`Trainer.fit` stopped",  # that it came to its end
    "💡",
    "distributed_backend=",  # a box of dashes
)


def silence() -> None:
    """Filters log lines and warnings of Lightning, in this process and those that it forks."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero", "lightning.pytorch"):
        logging.getLogger(name).addFilter(lambda record: not any(text in record.getMessage() for text in NO_NEWS))
    for text in (
        r".*isinstance\(treespec, LeafSpec\)",  # torch and Lightning among themselves
        r".*does not have many workers",  # the data are in memory
        r".*is smaller than the logging interval",  # the table at the end holds every epoch's means
        r".*Checkpoint directory .* exists and is not empty",
        r"The dirpath has changed",  # a resumed run writes into a folder of its own
    ):
        warnings.filterwarnings("ignore", message=text)

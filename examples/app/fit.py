from __future__ import annotations

from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException

from app.assemble import Run
from app.resume import check_checkpoint
from lit_optim import ConfigError


def fit(run: Run, ckpt_path: Any = None) -> None:
    """Trains, from the beginning or from a checkpoint.

    Raises:
        ConfigError: for a checkpoint that does not fit, and for what Lightning only finds when it begins.
    """
    if ckpt_path is not None:
        check_checkpoint(ckpt_path, run.model)
    try:
        run.trainer.fit(run.model, datamodule=run.data, ckpt_path=ckpt_path)
    except MisconfigurationException as error:
        raise ConfigError(f"trainer: {error}") from error

from __future__ import annotations

from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException

from app.assemble import Run
from app.resume import check_checkpoint
from lit_optim import ConfigError
from lit_optim.errors import wrong


def fit(run: Run, ckpt_path: Any = None) -> None:
    """Trains, from the beginning or from a checkpoint.

    Raises:
        ConfigError: for a checkpoint that does not fit, and for what Lightning only finds when it begins.
    """
    step = None if ckpt_path is None else check_checkpoint(ckpt_path, run.model)
    try:
        run.trainer.fit(run.model, datamodule=run.data, ckpt_path=ckpt_path)
    except MisconfigurationException as error:
        raise ConfigError(f"trainer: {error}") from error
    except ValueError as error:
        if not str(error).strip().startswith("`val_check_interval`"):
            raise
        interval = run.trainer.val_check_interval
        rule = "longer than an epoch; write at most its number of batches, or set trainer.check_val_every_n_epoch=null"
        raise ConfigError(wrong("trainer.val_check_interval", interval, rule)) from error
    if run.trainer.global_step == step and not run.trainer.callback_metrics:
        raise ConfigError(
            wrong("ckpt_path", ckpt_path, "a run that has ended; set trainer.max_epochs to go on with it")
        )

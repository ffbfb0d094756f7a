from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule

from lit_optim import ConfigError
from lit_optim.errors import wrong


def check_checkpoint(path: Any, model: LightningModule) -> None:
    """A run can be resumed from this file, and it holds the weights of this model.

    Raises:
        ConfigError: if not, before anything is trained.
    """
    if not isinstance(path, str) or not Path(path).exists():
        raise ConfigError(wrong("ckpt_path", path, "there is no such file"))
    if (Path(path) / "meta.pt").is_file():
        return  # a sharded checkpoint, which its strategy reads
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            checkpoint = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except Exception as error:  # whatever zip files and pickles can be broken by
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].split(". ")[0]
        raise ConfigError(wrong("ckpt_path", path, f"cannot be read as a checkpoint: {reason}")) from None
    if not isinstance(checkpoint, dict) or not {"state_dict", "optimizer_states", "loops"} <= set(checkpoint):
        raise ConfigError(wrong("ckpt_path", path, "not a checkpoint that a Trainer has written to resume from"))
    saved = {name: tuple(value.shape) for name, value in checkpoint["state_dict"].items()}
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if saved != own:
        name = next(name for name in [*own, *saved] if saved.get(name) != own.get(name))
        what = f"{name!r} is {saved.get(name, 'absent')} there and {own.get(name, 'absent')} here"
        raise ConfigError(wrong("ckpt_path", path, f"holds the weights of another model: {what}"))

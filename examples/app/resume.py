from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule

from lit_optim import ConfigError
from lit_optim.errors import wrong

PARTS = {"state_dict": dict, "optimizer_states": list, "lr_schedulers": list, "loops": dict, "callbacks": dict}


def check_checkpoint(path: Any, model: LightningModule) -> int:
    """A run can be resumed from this file, and it holds the weights of this model.

    Returns:
        The optimizer step at which it was written.

    Raises:
        ConfigError: if not, before anything is trained.
    """
    if (Path(path) / "meta.pt").is_file():
        return -1  # a sharded checkpoint, which its strategy reads
    checkpoint = _read(path)
    whole = isinstance(checkpoint, dict) and all(isinstance(checkpoint.get(name), kind) for name, kind in PARTS.items())
    if not whole or not checkpoint["optimizer_states"] or not isinstance(checkpoint.get("lit_optim", {}), dict):
        raise ConfigError(wrong("ckpt_path", path, "not a checkpoint that a Trainer has written to resume from"))
    saved = {name: tuple(getattr(value, "shape", ())) for name, value in checkpoint["state_dict"].items()}
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if saved != own:
        name = next(name for name in [*own, *saved] if saved.get(name) != own.get(name))
        what = f"{name!r} is {saved.get(name, 'absent')} there and {own.get(name, 'absent')} here"
        raise ConfigError(wrong("ckpt_path", path, f"holds the weights of another model: {what}"))
    return int(checkpoint.get("global_step", -1))


def _read(path: str) -> Any:
    """Without running anything that a pickle may hold."""
    if Path(path).is_dir():
        raise ConfigError(wrong("ckpt_path", path, "is a folder; name a file in it, e.g. last.ckpt"))
    try:
        if not zipfile.is_zipfile(path):
            raise ConfigError(wrong("ckpt_path", path, "not a file that torch.save has written, or only a part of one"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except ConfigError:
        raise
    except Exception as error:  # whatever zip files and pickles can be broken by
        hostile = re.search(r"GLOBAL ([\w.]+)", str(error))
        if hostile:
            reason = f"holds {hostile[1]}, and only tensors and plain containers are read from it"
        else:
            reason = f"cannot be read as a checkpoint: {(str(error).strip().splitlines() or [type(error).__name__])[0]}"
        raise ConfigError(wrong("ckpt_path", path, reason)) from None

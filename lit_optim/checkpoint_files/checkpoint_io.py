"""Save and load the checkpoints of a Trainer so that a file is whole or absent."""

from __future__ import annotations

import os
from typing import Any

import torch

from lit_optim.checkpoint_files.location import local_path
from lit_optim.checkpoint_files.verify import damage
from lit_optim.checkpoint_files.write import write_atomically
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import TorchCheckpointIO


class SafeCheckpointIO(TorchCheckpointIO):
    """A checkpoint-io for ``Trainer(plugins=[SafeCheckpointIO()])``: files are written whole, and verified when loaded.

    A checkpoint is written beside its target, flushed to the disk and renamed: a kill or a full disk leaves the
    previous file as it was. What is loaded is compared with the checksums that torch.save writes. Files that are not
    on a local file system are saved as Lightning saves them.

    Example:
        >>> import lightning as L
        >>> trainer = L.Trainer(plugins=[SafeCheckpointIO()], accelerator="cpu", logger=False)
        >>> type(trainer.strategy.checkpoint_io).__name__
        'SafeCheckpointIO'
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Save a checkpoint.

        Raises:
            ConfigError: where it cannot be written, with the cause; what was saved before is unchanged.
        """
        local = local_path(path)
        if local is None or storage_options is not None:
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        checksums = torch.serialization.get_crc32_options()
        torch.serialization.set_crc32_options(True)
        try:
            write_atomically(local, lambda file: torch.save(checkpoint, file))
        finally:
            torch.serialization.set_crc32_options(checksums)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load a checkpoint as Lightning does, once it is verified.

        Raises:
            ConfigError: for a damaged file.
        """
        local = local_path(path)
        if local is not None and os.path.isfile(local):
            with open(local, "rb") as file:
                problem = damage(file)
            if problem:
                raise ConfigError(f"ckpt_path={str(path)!r}: {problem}")
        loaded: dict[str, Any] = super().load_checkpoint(path, *args, **kwargs)
        return loaded

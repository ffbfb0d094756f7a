"""Find, before a run trains, that its checkpoints cannot be written; Lightning's own io passes over that in silence."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

from lit_optim.checkpoint_files.location import local_path, location_of
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import CHECKPOINT_IO, Trainer, imported_classes


def write_problem(folder: str) -> str:
    """Return why no file can be written in a folder that exists, or is to be made, or an empty string.

    Nothing is left behind.

    Example:
        >>> write_problem(tempfile.gettempdir()), write_problem(f"{__file__}/checkpoints") != ""
        ('', True)
    """
    path = Path(folder).absolute()
    nearest = next(each for each in (path, *path.parents) if os.path.exists(each))
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"x")
    except OSError as error:
        return f"{error.strerror or error} ({nearest})"
    return ""


def check_saving(trainer: Trainer) -> None:
    """Check that the checkpoint callbacks of a Trainer can write, and watch over what Lightning's io saves.

    Raises:
        ConfigError: on every rank, with each folder that rank 0 cannot write.
    """
    problems: list[str] = []
    if trainer.is_global_zero:
        for folder in dict.fromkeys(getattr(each, "dirpath", None) for each in trainer.checkpoint_callbacks):
            local = local_path(folder) if folder else None
            if local and (problem := write_problem(local)):
                rule = f"no checkpoint can be written there: {problem}; choose another dirpath of ModelCheckpoint"
                problems.append(f"dirpath={local!r}: {rule}")
    if trainer.checkpoint_callbacks and (problems := trainer.strategy.broadcast(problems)):
        raise ConfigError(*problems)
    with contextlib.suppress(NotImplementedError):  # strategies that write without a checkpoint-io
        watch_saves(trainer.strategy.checkpoint_io)


def watch_saves(checkpoint_io: Any) -> None:
    """Look after each save of Lightning's checkpoint-io whether the file is there; leave one of another class alone."""
    while (inner := getattr(checkpoint_io, "checkpoint_io", None)) is not None:  # of an AsyncCheckpointIO
        checkpoint_io = inner
    if type(checkpoint_io) not in imported_classes(CHECKPOINT_IO) or "save_checkpoint" in vars(checkpoint_io):
        return
    save = checkpoint_io.save_checkpoint

    def save_checkpoint(checkpoint: dict[str, Any], path: Any, *args: Any, **kwargs: Any) -> None:
        save(checkpoint, path, *args, **kwargs)
        if not (found := location_of(path)).exists():
            folder, _, name = found.path.rpartition("/")
            rule = f"{name} was not written, and Lightning gave no reason; see whether the folder is read-only"
            raise ConfigError(f"dirpath={folder!r}: {rule}")

    checkpoint_io.save_checkpoint = save_checkpoint

"""Word the errors that Lightning and torch raise while they restore a checkpoint."""

from __future__ import annotations

import re
import traceback
from typing import Any

from lit_optim.errors import ConfigError

CONNECTOR = "checkpoint_connector"  # the module of Lightning that restores
LIBRARIES = ("lightning", "lightning_fabric", "pytorch_lightning", "torch", "packaging", "lit_optim")
ADVICE = "it is damaged, or of another module; choose another checkpoint"
LACKING = re.compile(  # of torch, about sharded parameters
    r"Missing key in checkpoint state_dict: optimizer_\d+\.(?P<key>\S+?)\.?(?:\s|$)"
    r"|Missing optimizer state for parameter '(?P<name>.+?)'"
)
AS_SAVED = "train with these, or begin a new run from the weights instead of ckpt_path"
LONGEST = 300  # characters of the text


def restore_error(error: BaseException, path: Any) -> ConfigError | None:
    """Return a ConfigError for what the restore of a checkpoint has raised in a library; None for any other error.

    Args:
        error: it is not changed.
        path: the checkpoint's.

    Example:
        >>> restore_error(KeyError("of the training step"), "last.ckpt") is None
        True
    """
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    restores = any(name.endswith(f".{CONNECTOR}") for name in frames)
    if isinstance(error, ConfigError) or not restores or frames[-1].partition(".")[0] not in LIBRARIES:
        return None
    if lacking := LACKING.search(str(error)):
        rule = "this strategy restores the param groups and parameters of the run that wrote it"
        what = lacking["key"] or lacking["name"]
        return ConfigError(f"ckpt_path={str(path)!r}: {rule}, and {what} is not among them; {AS_SAVED}")
    if isinstance(error, FileNotFoundError):
        return ConfigError(f"ckpt_path={str(path)!r}: there is no such file")
    text = " ".join(str(error).split())
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return ConfigError(f"ckpt_path={str(path)!r}: it cannot be restored ({type(error).__name__}: {text}); {ADVICE}")

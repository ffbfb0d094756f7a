"""Check what a record is made with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lit_optim.errors import ConfigError, wrong


def check_record_arguments(folder: Any, every_n_steps: int, diverged_above: float, stop_after: int) -> None:
    """Check the arguments of `Record`.

    Raises:
        ConfigError: with all problems.
    """
    rules = [
        ("folder", folder, _is_path(folder), "must be the path of a folder"),
        ("every_n_steps", every_n_steps, every_n_steps >= 1, "must be at least 1"),
        ("diverged_above", diverged_above, diverged_above > 1, "must be above 1"),
        ("stop_after", stop_after, stop_after >= 0, "must be at least 0"),
    ]
    if problems := [wrong(name, value, rule) for name, value, holds, rule in rules if not holds]:
        raise ConfigError(*problems)


def _is_path(folder: Any) -> bool:
    return isinstance(folder, (str, Path)) and bool(str(folder).strip()) and not Path(folder).is_file()

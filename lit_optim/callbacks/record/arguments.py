"""Check what a record is made with."""

from __future__ import annotations

from typing import Any

from lit_optim.errors import ConfigError, wrong
from lit_optim.run_folder import may_be_folder


def check_record_arguments(folder: Any, every_n_steps: Any, diverged_above: Any, stop_after: Any) -> None:
    """Check the arguments of `Record`.

    Raises:
        ConfigError: with all problems.
    """
    n, above, after = every_n_steps, diverged_above, stop_after
    is_above_1 = isinstance(above, (int, float)) and above > 1
    rules = [
        ("folder", folder, may_be_folder(folder), "must be the path of a folder"),
        ("every_n_steps", n, type(n) is int and n >= 1, "must be a whole number, at least 1; write e.g. 50"),
        ("diverged_above", above, is_above_1, "must be a number above 1; write e.g. 10, or inf for no limit"),
        ("stop_after", after, type(after) is int and after >= 0, "must be a whole number, at least 0"),
    ]
    if problems := [wrong(name, value, rule) for name, value, holds, rule in rules if not holds]:
        raise ConfigError(*problems)

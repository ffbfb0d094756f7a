"""Check the words and the counts among the arguments of a scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lit_optim.duration import COUNT, is_count
from lit_optim.errors import ConfigError, did_you_mean, wrong


def check_choices(**arguments: tuple[Any, Sequence[str]]) -> None:
    """Check arguments that are one of a few words: name -> (value, words).

    Raises:
        ConfigError: with the words.
    """
    for name, (value, words) in arguments.items():
        if value not in words:
            rule = f"must be one of {', '.join(words)}{did_you_mean(str(value), words)}"
            raise ConfigError(wrong(f"scheduler.{name}", value, rule))


def check_counts(**arguments: Any) -> None:
    """Check arguments that are None or a whole number of at least 1.

    Raises:
        ConfigError: for any other value.
    """
    for name, value in arguments.items():
        if value is not None and not is_count(value):
            raise ConfigError(wrong(f"scheduler.{name}", value, COUNT))

"""Checks of the arguments of shapes and schedulers, with one wording of their errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lit_optim.duration import COUNT, is_count
from lit_optim.errors import ConfigError, did_you_mean, wrong


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number; a bool is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf


def at_least(bound: float, **values: float) -> None:
    """Check that each value is finite and ``>= bound``.

    Example:
        >>> at_least(0, gamma=-1)
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: gamma=-1: must be at least 0
    """
    for name, value in values.items():
        if not (math.isfinite(value) and value >= bound):
            raise ConfigError(wrong(name, value, f"must be at least {bound:g}"))


def above(bound: float, **values: float) -> None:
    """Check that each value is finite and ``> bound``."""
    for name, value in values.items():
        if not (math.isfinite(value) and value > bound):
            raise ConfigError(wrong(name, value, f"must be above {bound:g}"))


def between(low: float, high: float, **values: float) -> None:
    """Check that each value lies in the open interval ``(low, high)``."""
    for name, value in values.items():
        if not low < value < high:
            raise ConfigError(wrong(name, value, f"must lie between {low:g} and {high:g}, both excluded"))


def check_choices(**arguments: tuple[Any, Sequence[str]]) -> None:
    """Check arguments of a scheduler that are one of a few words: name -> (value, words).

    Raises:
        ConfigError: with the words.
    """
    for name, (value, words) in arguments.items():
        if value not in words:
            rule = f"must be one of {', '.join(words)}{did_you_mean(str(value), words)}"
            raise ConfigError(wrong(f"scheduler.{name}", value, rule))


def check_counts(**arguments: Any) -> None:
    """Check arguments of a scheduler that are None or a whole number of at least 1.

    Raises:
        ConfigError: for any other value.
    """
    for name, value in arguments.items():
        if value is not None and not is_count(value):
            raise ConfigError(wrong(f"scheduler.{name}", value, COUNT))

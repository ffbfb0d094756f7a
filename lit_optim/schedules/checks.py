"""Checks of the ranges of a shape's arguments, with one wording of their errors."""

from __future__ import annotations

import math
from typing import Any

from lit_optim.errors import ConfigError, wrong


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

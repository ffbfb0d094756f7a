"""Ranges of a shape's arguments, in one wording."""

from __future__ import annotations

import math

from lit_optim.errors import ConfigError, wrong


def at_least(bound: float, **values: float) -> None:
    """Each value is finite and ``>= bound``.

    Example:
        >>> at_least(0, gamma=-1)
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: gamma=-1: must be at least 0
    """
    for name, value in values.items():
        if not (math.isfinite(value) and value >= bound):
            raise ConfigError(wrong(name, value, f"must be at least {bound:g}"))


def above(bound: float, **values: float) -> None:
    """Each value is finite and ``> bound``."""
    for name, value in values.items():
        if not (math.isfinite(value) and value > bound):
            raise ConfigError(wrong(name, value, f"must be above {bound:g}"))


def between(low: float, high: float, **values: float) -> None:
    """Each value lies in the open interval ``(low, high)``."""
    for name, value in values.items():
        if not low < value < high:
            raise ConfigError(wrong(name, value, f"must lie between {low:g} and {high:g}, both excluded"))

from __future__ import annotations

from lit_optim import ConfigError
from lit_optim.errors import wrong


def at_least_one(**values: int) -> None:
    """Each value counts something of which there is at least one.

    Example:
        >>> at_least_one(width=-3)
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: width=-3: must be at least 1
    """
    for name, value in values.items():
        if value < 1:
            raise ConfigError(wrong(name, value, "must be at least 1"))


def has_dimensions(shape: tuple[int, ...], count: int, needed: str) -> None:
    """The data are of the kind that a network reads.

    Raises:
        ConfigError: with what to choose instead.
    """
    if len(shape) != count:
        raise ConfigError(f"the data have the shape {shape}; {needed}")

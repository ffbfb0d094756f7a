"""Check what a planned change of optimizer is built from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch.optim import Optimizer

from lit_optim.errors import ConfigError, wrong


def reason_against(cls: type[Optimizer]) -> str | None:
    """Return why a class cannot be one of the two; None where it can."""
    if hasattr(cls, "switch") or hasattr(cls, "part_of"):
        return "is several optimizers already, and cannot change to or from another"
    if issubclass(cls, torch.optim.LBFGS):
        return "takes its steps by a closure, which it calls several times, so that no other can take over"
    if callable(getattr(cls, "train", None)):
        return "trains other weights than it evaluates (train and eval modes), so that no other can take over"
    return None


class LrAfter(NamedTuple):
    """The learning rate after a change: absolute, or relative to what it was."""

    number: float
    relative: bool = False

    def scale(self, before: Any) -> tuple[float, float]:
        """Return the new lr of a group whose lr is the second number; ``before`` is the default lr before the change.

        Raises:
            ConfigError: for an absolute one where that is 0.
        """
        if self.relative:
            return self.number, 1.0
        if not float(before):
            raise ConfigError(wrong("lr", self.number, "the lr before is 0, and nothing is in proportion to 0"))
        return self.number, float(before)


def read_lr(lr: float | str | None, own: Any) -> LrAfter:
    """Read the learning rate after a change.

    Args:
        lr: absolute, ``x0.1``, or None for ``own``.
        own: default lr of the class that takes over.

    Raises:
        ConfigError: for anything else.

    Example:
        >>> read_lr("x0.5", 1e-3), read_lr(None, 1e-3)
        (LrAfter(number=0.5, relative=True), LrAfter(number=0.001, relative=False))
    """
    relative = isinstance(lr, str) and lr.startswith("x")
    try:
        number = float(own if lr is None else str(lr).removeprefix("x"))
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(lr, bool) or not 0 <= number < math.inf:
        raise ConfigError(wrong("lr", lr, "write an absolute learning rate of at least 0, or a factor, e.g. x0.1"))
    return LrAfter(number, relative)


def check_direction(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Reject values of two classes of which one maximizes."""
    if before.get("maximize", False) != after.get("maximize", False):
        rule = "the optimizer before it goes the other way; give both the same"
        raise ConfigError(wrong("to.maximize", after.get("maximize", False), rule))

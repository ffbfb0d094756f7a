"""The class of a spec with the values it will be called with, for checks that look at torch's own classes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lit_optim.config.checks.locate import locate
from lit_optim.config.read.spec import Spec
from lit_optim.errors import ConfigError


def called(spec: Spec, base: type[Optimizer] | type[LRScheduler]) -> tuple[type, dict[str, Any]] | None:
    """The class and its arguments, defaults included; None where the spec names no such class.

    Example:
        >>> cls, arguments = called(Spec("torch.optim.SGD", {"momentum": 0.9}), Optimizer)
        >>> cls.__name__, arguments["lr"], arguments["momentum"]
        ('SGD', 0.001, 0.9)
    """
    try:
        cls = locate(spec.target, base, spec.key)
    except ConfigError:
        return None
    parameters = inspect.signature(cls).parameters.values()
    return cls, {p.name: p.default for p in parameters if p.default is not p.empty} | spec.arguments


def number(value: Any) -> float | None:
    """A number, also as a text; None for everything else.

    Example:
        >>> number("1e-4"), number(True), number([1.0])
        (0.0001, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def numbers(value: Any) -> list[float]:
    """All numbers in a value that may be one or a list of them."""
    items = value if isinstance(value, (list, tuple)) else [value]
    return [found for found in map(number, items) if found is not None]


def mapping(value: Any) -> Mapping[str, Any]:
    """The value, if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}

"""Reads the class of a spec and the values that it will be called with."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lit_optim.config.checks.locate import locate
from lit_optim.config.checks.slots import without_aliases
from lit_optim.config.read.spec import Spec
from lit_optim.errors import ConfigError
from lit_optim.scheduler.schedule_lr import ScheduleLR


def class_and_arguments(spec: Spec, base: type[Optimizer] | type[LRScheduler]) -> tuple[type, dict[str, Any]] | None:
    """Return the class of a spec and its arguments, defaults included; None where the spec names no such class.

    Example:
        >>> cls, arguments = class_and_arguments(Spec("torch.optim.SGD", {"momentum": 0.9}), Optimizer)
        >>> cls.__name__, arguments["lr"], arguments["momentum"]
        ('SGD', 0.001, 0.9)
    """
    try:
        cls = locate(spec.target, base, spec.key)
    except ConfigError:
        return None
    parameters = inspect.signature(cls).parameters.values()
    return cls, {p.name: p.default for p in parameters if p.default is not p.empty} | spec.arguments


def slots_of(scheduler: Spec) -> dict[str, Any] | None:
    """Return the arguments of a ScheduleLR under our names; None for any other scheduler, and where names clash.

    Example:
        >>> slots_of(Spec("lit_optim.ScheduleLR", {"warmup_steps": 5}, "scheduler"))
        {'warmup': {'shape': 'linear', 'steps': 5}}
    """
    try:
        own = locate(scheduler.target, LRScheduler, scheduler.key) is ScheduleLR
        return without_aliases(scheduler.arguments) if own else None
    except ConfigError:
        return None  # `validate` reports it


def as_number(value: Any) -> float | None:
    """Convert a number, also one that is written as a text; None for everything else.

    Example:
        >>> as_number("1e-4"), as_number(True), as_number([1.0])
        (0.0001, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def as_numbers(value: Any) -> list[float]:
    """Return all numbers in a value that may be one or a list of them."""
    items = value if isinstance(value, (list, tuple)) else [value]
    return [found for found in map(as_number, items) if found is not None]


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return the value, if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}

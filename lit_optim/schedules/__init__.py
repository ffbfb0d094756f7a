"""Schedules as pure functions ``step -> factor``: one shape a file under ``shapes``, and the algebra that joins them.

Every shape is a name of this package: ``from lit_optim.schedules import cosine``.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from lit_optim.schedules.base import Schedule, ScheduleFactory, Steps, progress
from lit_optim.schedules.combine import join, warmup

if TYPE_CHECKING:
    from lit_optim.schedules.shapes.constant import constant
    from lit_optim.schedules.shapes.cosine import cosine
    from lit_optim.schedules.shapes.exponential import exponential
    from lit_optim.schedules.shapes.linear import linear
    from lit_optim.schedules.shapes.multistep import multistep
    from lit_optim.schedules.shapes.plateau import plateau
    from lit_optim.schedules.shapes.polynomial import polynomial
    from lit_optim.schedules.shapes.step import step

__all__ = [
    "Schedule",
    "ScheduleFactory",
    "Steps",
    "constant",
    "cosine",
    "exponential",
    "join",
    "linear",
    "multistep",
    "plateau",
    "polynomial",
    "progress",
    "shape_names",
    "step",
    "warmup",
]


@functools.cache
def shape_names() -> tuple[str, ...]:
    """The names of all shapes: the files under ``shapes``."""
    shapes = importlib.import_module("lit_optim.schedules.shapes")
    return tuple(sorted(module.name for module in pkgutil.iter_modules(shapes.__path__)))


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in shape_names():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"lit_optim.schedules.shapes.{name}"), name)

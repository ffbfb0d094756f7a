"""Offers schedules as pure functions ``step -> factor``: one shape a file under ``shapes``, and how they are joined.

Every shape is a name of this package: ``from lit_optim.schedules import cosine``.
"""

from __future__ import annotations

import functools
import importlib
import keyword
import pkgutil
from typing import TYPE_CHECKING, Any

from lit_optim.schedules.base import Schedule, ScheduleFactory, Steps, progress
from lit_optim.schedules.combine import join, warmup

if TYPE_CHECKING:
    from lit_optim.schedules.shapes.constant import constant
    from lit_optim.schedules.shapes.cosine import cosine
    from lit_optim.schedules.shapes.cosine_restarts import cosine_restarts
    from lit_optim.schedules.shapes.exp_range import exp_range
    from lit_optim.schedules.shapes.exponential import exponential
    from lit_optim.schedules.shapes.inverse_sqrt import inverse_sqrt
    from lit_optim.schedules.shapes.lambda_ import lambda_
    from lit_optim.schedules.shapes.linear import linear
    from lit_optim.schedules.shapes.multistep import multistep
    from lit_optim.schedules.shapes.noam import noam
    from lit_optim.schedules.shapes.one_cycle import one_cycle
    from lit_optim.schedules.shapes.plateau import plateau
    from lit_optim.schedules.shapes.polynomial import polynomial
    from lit_optim.schedules.shapes.rex import rex
    from lit_optim.schedules.shapes.step import step
    from lit_optim.schedules.shapes.tanh import tanh
    from lit_optim.schedules.shapes.triangular import triangular
    from lit_optim.schedules.shapes.triangular2 import triangular2
    from lit_optim.schedules.shapes.wsd import wsd

__all__ = [
    "Schedule",
    "ScheduleFactory",
    "Steps",
    "constant",
    "cosine",
    "cosine_restarts",
    "exp_range",
    "exponential",
    "inverse_sqrt",
    "join",
    "lambda_",
    "linear",
    "multistep",
    "noam",
    "one_cycle",
    "plateau",
    "polynomial",
    "progress",
    "rex",
    "shape_names",
    "step",
    "tanh",
    "triangular",
    "triangular2",
    "warmup",
    "wsd",
]


@functools.cache
def shape_names() -> tuple[str, ...]:
    """Return the names of all shapes: the files under ``shapes``, without the last ``_`` of ``lambda_.py``."""
    shapes = importlib.import_module("lit_optim.schedules.shapes")
    return tuple(sorted(module.name.removesuffix("_") for module in pkgutil.iter_modules(shapes.__path__)))


def __getattr__(name: str) -> Any:
    shape = name.removesuffix("_")
    if name.startswith("_") or shape not in shape_names():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    name = f"{shape}_" if keyword.iskeyword(shape) else shape
    return getattr(importlib.import_module(f"lit_optim.schedules.shapes.{name}"), name)

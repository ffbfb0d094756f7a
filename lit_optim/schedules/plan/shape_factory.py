"""Find the factory of a shape by its name, and the arguments that it accepts."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any, cast, get_args, get_type_hints

from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.imports import import_object
from lit_optim.schedules.base import ScheduleFactory, Steps


def shape_factory(name: Any, key: str) -> ScheduleFactory:
    """Find the factory that a slot names: a shape of ours, a dotted path to the user's own, or a callable."""
    if callable(name):
        return cast("ScheduleFactory", name)
    schedules = importlib.import_module("lit_optim.schedules")
    names = schedules.shape_names()
    if name in names:
        return cast("ScheduleFactory", getattr(schedules, name))
    if not isinstance(name, str) or "." not in name:
        raise ConfigError(wrong(key, name, f"no shape of that name{did_you_mean(str(name), names, list_all=True)}"))
    factory = import_object(name, key)
    if not inspect.isfunction(factory) or next(iter(inspect.signature(factory).parameters), "") != "total_steps":
        raise ConfigError(wrong(key, name, "not a schedule factory: a function whose first argument is total_steps"))
    return factory


@functools.cache
def accepted_arguments(shape: Callable[..., Any]) -> tuple[str, ...]:
    """List the keyword arguments of a shape."""
    return tuple(inspect.signature(shape).parameters)[1:]


@functools.cache
def length_arguments(shape: Callable[..., Any]) -> dict[str, bool]:
    """Find the arguments of a shape that are annotated as lengths: name -> whether it is a list of them."""
    lengths = {}
    for name, hint in get_type_hints(shape, include_extras=True).items():
        options = get_args(hint) if type(None) in get_args(hint) else (hint,)
        for option in options:
            if option == Steps or Steps in get_args(option):
                lengths[name] = option != Steps
    return lengths

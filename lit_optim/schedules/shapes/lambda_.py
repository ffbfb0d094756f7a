from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable
from typing import Any

from lit_optim.errors import ConfigError, wrong
from lit_optim.imports import import_object
from lit_optim.schedules.base import Schedule


def lambda_(total_steps: int | None = None, *, function: Callable[[int], float] | str) -> Schedule:
    """The user's own function: ``f(t) = function(t)``, as in torch's LambdaLR.

    Its name in a configuration is ``lambda``.

    Args:
        total_steps: not used; the schedule is endless.
        function: step -> factor, as an import path or as the function itself; the step counts from 0 in its phase.

    Raises:
        ConfigError: unless it is a function, of your own, that gives a finite number at step 0.

    Example:
        >>> lambda_(function=lambda step: 0.95 ** step)(1)
        0.95
    """
    own = own_function(function, "function")
    return lambda step: float(own(int(step)))  # a stretched schedule is read between two steps


def own_function(function: Callable[[int], float] | str, key: str) -> Callable[[int], float]:
    """Return a user's function of the step, which an import path may name.

    Args:
        function: step -> factor, as an import path or as the function itself.
        key: its dotted name, for messages.

    Raises:
        ConfigError: unless it is a function, of the user's own, that gives a finite number at step 0.

    Example:
        >>> own_function("lit_optim.schedules.shapes.lambda_.unchanged", "function").__name__
        'unchanged'
    """
    own = import_object(function, key) if isinstance(function, str) else function
    if not _may_be_own(own) or (isinstance(function, str) and not inspect.isfunction(own)):
        raise ConfigError(wrong(key, function, "not a function of your own, step -> factor"))
    try:
        first = float(own(0))
    except Exception as error:
        raise ConfigError(wrong(key, function, f"gives no number at step 0: {error}")) from error
    if not math.isfinite(first):
        raise ConfigError(wrong(key, function, f"gives {first} at step 0"))
    return own


def unchanged(step: int) -> float:
    """The function of the preset, to be replaced by your own.

    Example:
        >>> unchanged(7)
        1.0
    """
    return 1.0


def _may_be_own(function: Any) -> bool:
    """Whether it can have been written as a schedule: what is not, must not even be tried."""
    package = str(getattr(function, "__module__", "") or "").partition(".")[0]
    foreign = package == "torch" or package in sys.stdlib_module_names - {"__main__"}
    if inspect.isroutine(function):
        return (inspect.isfunction(function) or inspect.ismethod(function)) and not foreign
    return callable(function) and not isinstance(function, type)


lambda_.__name__ = "lambda"  # in messages; pickle goes by __qualname__

"""A function in place of a class: the user's own factory, which Python code handed over as an object."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from lit_optim.config.checks.locate import describe_object
from lit_optim.config.read.plain_containers import import_path_of
from lit_optim.errors import ConfigError


def is_factory(target: Any) -> bool:
    """Whether a spec's target is an object to be called, and no class.

    Example:
        >>> is_factory(lambda params: None), is_factory("torch.optim.SGD"), is_factory(int)
        (True, False, False)
    """
    return callable(target) and not isinstance(target, type)


def own_factory(target: Any, base: type, key: str) -> Any:
    """Returns the function, if it may build a ``base``; functions of the standard library and of torch may not.

    Raises:
        ConfigError: for builtin functions, and for functions of the standard library and of torch.

    Example:
        >>> import os, torch
        >>> own_factory(os.system, torch.optim.Optimizer, "optimizer")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: optimizer._target_=posix.system: not a torch.optim.Optimizer subclass \
(it is a builtin function)
    """
    package = str(getattr(target, "__module__", "") or "").partition(".")[0]
    foreign = package in sys.stdlib_module_names - {"__main__"} or package == "torch"
    if inspect.isbuiltin(target) or (foreign and not isinstance(target, type)):
        rule = f"not a {import_path_of(base)} subclass (it is {describe_object(target)})"
        raise ConfigError(f"{key}._target_={import_path_of(target)}: {rule}")
    return target

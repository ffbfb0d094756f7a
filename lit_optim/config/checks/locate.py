"""Import the class that a path names, if it has the right base; nothing else is ever called."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

from lit_optim.config.capabilities import check_versions
from lit_optim.config.read.plain_containers import import_path_of
from lit_optim.errors import ConfigError
from lit_optim.imports import import_object

Base = type | tuple[type, ...] | Callable[[], tuple[type, ...]]


def locate(path: Any, base: Base, key: str, rule: str = "") -> type:
    """Return the class that ``path`` names.

    Args:
        path: dotted import path, or the class itself.
        base: what it must derive from; a function is called once the object is imported.
        key: dotted name of the spec, for messages.
        rule: what the message says about another object; default: that it does not derive from ``base``.

    Raises:
        ConfigError: if it cannot be imported, needs a newer version, or is not a class derived from ``base``.

    Example:
        >>> import torch
        >>> locate("os.system", torch.optim.Optimizer, "optimizer")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: optimizer._target_=os.system: not a torch.optim.Optimizer subclass \
(it is a builtin function)
    """
    target, shown = path, path
    if isinstance(path, str):
        check_versions(path, key)
        target = import_object(path, f"{key}._target_")
    else:
        shown = getattr(path, "__qualname__", f"<{type(path).__name__}>")
    bases = base if isinstance(base, (type, tuple)) else base()
    if not (inspect.isclass(target) and issubclass(target, bases)):
        first = bases[0] if isinstance(bases, tuple) else bases
        rule = rule or f"not {_with_article(f'{import_path_of(first)} subclass')}"
        raise ConfigError(f"{key}._target_={shown}: {rule} (it is {describe_object(target)})")
    return target


def locate_class_or_factory(target: Any, base: type, key: str) -> Any:
    """Return the class that ``target`` names, or the user's own function that Python code put in its place.

    Raises:
        ConfigError: as `locate`, and for builtin functions and those of the standard library and of torch.

    Example:
        >>> import os, torch
        >>> locate_class_or_factory(os.system, torch.optim.Optimizer, "optimizer")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: optimizer._target_=posix.system: not a torch.optim.Optimizer subclass \
(it is a builtin function)
    """
    if not callable(target) or isinstance(target, type):
        return locate(target, base, key)
    package = str(getattr(target, "__module__", "") or "").partition(".")[0]
    if inspect.isbuiltin(target) or package in (*sys.stdlib_module_names - {"__main__"}, "torch"):
        rule = f"not {_with_article(f'{import_path_of(base)} subclass')} (it is {describe_object(target)})"
        raise ConfigError(f"{key}._target_={import_path_of(target)}: {rule}")
    return target


def describe_object(target: Any) -> str:
    """Describe what something is, for messages.

    Example:
        >>> describe_object(len), describe_object(int), describe_object(3)
        ('a builtin function', 'the class int', 'an int')
    """
    if inspect.isclass(target):
        return f"the class {target.__qualname__}"
    kinds = {"builtin_function_or_method": "builtin function"}
    name = type(target).__name__
    return _with_article(kinds.get(name, name))


def _with_article(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"

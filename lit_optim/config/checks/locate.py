"""An import path -> the class behind it, if it is of the right base; nothing else is ever called."""

from __future__ import annotations

import inspect
from typing import Any

from lit_optim.config.checks.versions import check_versions
from lit_optim.config.read.plain_containers import import_path_of
from lit_optim.errors import ConfigError
from lit_optim.imports import import_object


def locate(path: Any, base: type, key: str) -> type:
    """The class that ``path`` names.

    Args:
        path: dotted import path, or the class itself.
        base: what it must derive from.
        key: dotted name of the spec, for messages.

    Raises:
        ConfigError: if it cannot be imported, needs a newer version, or is not a class derived from ``base``.

    Example:
        >>> import torch
        >>> locate("os.system", torch.optim.Optimizer, "optimizer")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: optimizer._target_=os.system: not a torch.optim.Optimizer subclass \
(it is a builtin function)
    """
    if isinstance(path, str):
        check_versions(path, key)
    target = import_object(path, f"{key}._target_") if isinstance(path, str) else path
    shown = path if isinstance(path, str) else getattr(path, "__qualname__", repr(path))
    if not (inspect.isclass(target) and issubclass(target, base)):
        name = "class" if base is object else f"{import_path_of(base)} subclass"
        article = "an" if name[0] in "aeiou" else "a"
        raise ConfigError(f"{key}._target_={shown}: not {article} {name} (it is {describe_object(target)})")
    return target


def describe_object(target: Any) -> str:
    """What something is, for messages.

    Example:
        >>> describe_object(len), describe_object(int), describe_object(3)
        ('a builtin function', 'the class int', 'an int')
    """
    if inspect.isclass(target):
        return f"the class {target.__qualname__}"
    if inspect.isbuiltin(target):
        return "a builtin function"
    if inspect.isfunction(target):
        return "a function"
    if inspect.ismodule(target):
        return "a module"
    name = type(target).__name__
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"

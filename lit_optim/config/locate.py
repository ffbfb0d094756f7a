"""An import path -> the class behind it, if it is of the right base; nothing else is ever called."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from lit_optim.config.plain import dotted
from lit_optim.errors import ConfigError, did_you_mean


def locate(path: Any, base: type, key: str) -> type:
    """The class that ``path`` names.

    Args:
        path: dotted import path, or the class itself.
        base: what it must derive from.
        key: dotted name of the spec, for messages.

    Raises:
        ConfigError: if it cannot be imported, or is not a class derived from ``base``.

    Example:
        >>> import torch
        >>> locate("os.system", torch.optim.Optimizer, "optimizer")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: optimizer._target_=os.system: not a torch.optim.Optimizer subclass \
(it is a builtin function)
    """
    target = _import(path, key) if isinstance(path, str) else path
    shown = path if isinstance(path, str) else getattr(path, "__qualname__", repr(path))
    if not (inspect.isclass(target) and issubclass(target, base)):
        raise ConfigError(f"{key}._target_={shown}: not a {dotted(base)} subclass (it is {_kind(target)})")
    return target


def _import(path: str, key: str) -> Any:
    parts = path.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise ConfigError(f"{key}._target_={path}: not an import path; write e.g. torch.optim.AdamW")
    module, names = _longest_module(parts, path, key)
    target: Any = module
    for i, name in enumerate(names):
        owner = ".".join(parts[: len(parts) - len(names) + i])
        if not hasattr(target, name):
            options = [f"{owner}.{option}" for option in dir(target) if not option.startswith("_")]
            hint = did_you_mean(f"{owner}.{name}", options).replace("'", "")
            raise ConfigError(f"{key}._target_={path}: {owner} has no {name!r}{hint}")
        target = getattr(target, name)
    return target


def _longest_module(parts: list[str], path: str, key: str) -> tuple[Any, list[str]]:
    """The innermost module of a dotted path, and the attributes that are left."""
    for cut in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:cut])
        try:
            return importlib.import_module(name), parts[cut:]
        except ModuleNotFoundError as error:
            if error.name is not None and not f"{name}.".startswith(f"{error.name}."):
                raise ConfigError(f"{key}._target_={path}: importing {name} needs the package {error.name!r}") from None
        except Exception as error:
            raise ConfigError(f"{key}._target_={path}: importing {name} failed: {error}") from None
    raise ConfigError(f"{key}._target_={path}: there is no package {parts[0]!r}; is it installed?")


def _kind(target: Any) -> str:
    if inspect.isclass(target):
        return f"the class {target.__qualname__}"
    if inspect.isbuiltin(target):
        return "a builtin function"
    if inspect.isfunction(target):
        return "a function"
    if inspect.ismodule(target):
        return "a module"
    kind = type(target).__name__
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"

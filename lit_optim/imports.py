"""A dotted path -> the object behind it. A spec out of a checkpoint may not decide what gets imported."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

from lit_optim.errors import ConfigError, did_you_mean
from lit_optim.extras import ELSEWHERE, EXTRAS, pip_line

# what a checkpoint may name though nobody has imported it: torch, ourselves, and the packages that presets target
KNOWN = frozenset({"torch", "lit_optim", "lightning", *EXTRAS, *ELSEWHERE})
_importable: ContextVar[frozenset[str] | None] = ContextVar("importable", default=None)  # None: everything


@contextlib.contextmanager
def only_known_packages(allow: Iterable[str] = ()) -> Iterator[None]:
    """Within it, a path must lead to a known package, to a module that is imported already, or into ``allow``.

    Args:
        allow: dotted names of packages or modules; what lies below them is allowed too.

    Example:
        >>> with only_known_packages():
        ...     resolve("antigravity.Optimizer", "optimizer._target_")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: optimizer._target_=antigravity.Optimizer: a checkpoint names it, \
and 'antigravity' is not imported; if you trust it, import it first, or load_from_checkpoint(..., allow=['antigravity'])
    """
    before = _importable.get() or frozenset()
    token = _importable.set(KNOWN | before | frozenset([allow] if isinstance(allow, str) else allow))
    try:
        yield
    finally:
        _importable.reset(token)


def resolve(path: str, key: str) -> Any:
    """The object at a dotted path; its module is imported where that is allowed.

    Args:
        path: ``package.module.Name``.
        key: dotted name of the config key that holds it, for messages.

    Raises:
        ConfigError: if there is none, or if a checkpoint may not name it.

    Example:
        >>> resolve("fractions.Fraction", "key")
        <class 'fractions.Fraction'>
    """
    parts = path.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise ConfigError(f"{key}={path}: not an import path; write e.g. torch.optim.AdamW")
    module, names = _innermost_module(parts, path, key)
    target: Any = module
    for i, name in enumerate(names):
        owner = ".".join(parts[: len(parts) - len(names) + i])
        try:
            target = getattr(target, name)
        except AttributeError:
            public = (option for option in dir(target) if not option.startswith("_"))
            options = [f"{owner}.{option}" for option in public if not inspect.ismodule(getattr(target, option, None))]
            hint = did_you_mean(f"{owner}.{name}", options).replace("'", "")
            raise ConfigError(f"{key}={path}: {owner} has no {name!r}{hint}") from None
        except Exception as error:  # a lazy module
            raise ConfigError(f"{key}={path}: importing {owner}.{name} failed: {error}") from None
    return target


def _innermost_module(parts: list[str], path: str, key: str) -> tuple[Any, list[str]]:
    """The innermost module of a dotted path, and the attributes that are left."""
    if not _may_import(path):
        for cut in range(len(parts) - 1, 0, -1):
            if (name := ".".join(parts[:cut])) in sys.modules:
                return sys.modules[name], parts[cut:]
        package = parts[0]
        raise ConfigError(
            f"{key}={path}: a checkpoint names it, and {package!r} is not imported; if you trust it, import it first, "
            f"or load_from_checkpoint(..., allow=[{package!r}])"
        )
    for cut in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:cut])
        try:
            return importlib.import_module(name), parts[cut:]
        except ModuleNotFoundError as error:
            if error.name is not None and not f"{name}.".startswith(f"{error.name}."):
                raise ConfigError(f"{key}={path}: importing {name} needs the package {error.name!r}") from None
        except (Exception, SystemExit) as error:
            raise ConfigError(f"{key}={path}: importing {name} failed: {error}") from None
    raise ConfigError(f"{key}={path}: there is no package {parts[0]!r}; {pip_line(parts[0]) or 'is it installed?'}")


def _may_import(path: str) -> bool:
    importable = _importable.get()
    return importable is None or any(f"{path}.".startswith(f"{name}.") for name in importable)


def class_in_package(package: str, path: Iterable[str], name: str) -> Any:
    """The class that a module of a package is named after: ``AdaBoundW`` in ``adabound_w.py``. For ``__getattr__``.

    Args:
        package: dotted name.
        path: the package's ``__path__``.
        name: of the class.

    Raises:
        AttributeError: if there is none.
    """
    for module in pkgutil.iter_modules(path):
        if module.name.replace("_", "") == name.lower() and not module.ispkg:
            return getattr(importlib.import_module(f"{package}.{module.name}"), name)
    raise AttributeError(f"module {package!r} has no attribute {name!r}")

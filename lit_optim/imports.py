"""Imports objects by dotted path; a spec from a checkpoint may import known packages only."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from lit_optim.errors import ConfigError, did_you_mean

# import name -> extra of ours that brings it, as in pyproject.toml
EXTRAS = {
    "bitsandbytes": "low-memory",
    "pytorch_optimizer": "zoo",
    "schedulefree": "zoo",
    "timm": "timm",
    "torchao": "low-memory",
}
# import name -> what pip is given where no index has the package
ELSEWHERE = {"distributed_shampoo": "git+https://github.com/facebookresearch/optimizers.git"}
# what a checkpoint may import: torch, ourselves, and the packages that presets target
KNOWN = frozenset({"torch", "lit_optim", "lightning", "pytorch_lightning", *EXTRAS, *ELSEWHERE})
_importable: ContextVar[frozenset[str] | None] = ContextVar("importable", default=None)  # None: everything


@contextlib.contextmanager
def only_known_packages(allow: Iterable[str] = ()) -> Iterator[None]:
    """Restrict paths to known packages, to modules that are imported already, and to ``allow``.

    Args:
        allow: dotted names of packages or modules; what lies below them is allowed too.

    Example:
        >>> with only_known_packages():
        ...     import_object("antigravity.Optimizer", "optimizer._target_")
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


def import_object(path: str, key: str) -> Any:
    """Return the object at a dotted path, and import its module where that is allowed.

    Args:
        path: ``package.module.Name``.
        key: dotted name of the config key that holds it, for messages.

    Raises:
        ConfigError: if there is no such object, or if a checkpoint may not name it.

    Example:
        >>> import_object("fractions.Fraction", "key")
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
    """Return the innermost module of a dotted path, and the attributes that are left."""
    importable = _importable.get()
    may_import = importable is None or any(f"{path}.".startswith(f"{name}.") for name in importable)
    for cut in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:cut])
        try:
            if may_import or name in sys.modules:
                return importlib.import_module(name), parts[cut:]
        except ModuleNotFoundError as error:
            if error.name is not None and not f"{name}.".startswith(f"{error.name}."):
                raise ConfigError(f"{key}={path}: importing {name} needs the package {error.name!r}") from None
        except (Exception, SystemExit) as error:
            raise ConfigError(f"{key}={path}: importing {name} failed: {error}") from None
    package = parts[0]
    if may_import:
        raise ConfigError(f"{key}={path}: there is no package {package!r}; {pip_line(package) or 'is it installed?'}")
    raise ConfigError(
        f"{key}={path}: a checkpoint names it, and {package!r} is not imported; if you trust it, import it first, "
        f"or load_from_checkpoint(..., allow=[{package!r}])"
    )


def lazy_names(
    package: str, names: Iterable[str], elsewhere: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package whose public names are imported when they are first used.

    Args:
        package: dotted name.
        names: the public names. A class lies in the module that is named after it: ``AdaBoundW`` in ``adabound_w``.
        elsewhere: name -> module, for names that lie in other packages.
    """
    public = tuple(names)

    def load(name: str) -> Any:
        if name not in public:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = (elsewhere or {}).get(name)
        if home is None:
            found = (module.name for module in pkgutil.iter_modules(sys.modules[package].__path__))
            home = f"{package}.{next(module for module in found if module.replace('_', '') == name.lower())}"
        value = getattr(importlib.import_module(home), name)
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted(public)


def pip_line(package: str) -> str:
    """Return the command that installs a package which a preset targets; empty for others.

    Example:
        >>> pip_line("schedulefree")
        "pip install 'lit-optim[zoo]'"
        >>> pip_line("numpy")
        ''
    """
    if package in EXTRAS:
        return f"pip install 'lit-optim[{EXTRAS[package]}]'"
    return f"pip install '{ELSEWHERE[package]}'" if package in ELSEWHERE else ""

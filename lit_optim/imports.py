"""Imports objects by dotted path, and restricts what a spec from a checkpoint may name: imports, functions, paths."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
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
# what a checkpoint may import: ourselves, and the packages that presets target
KNOWN = frozenset({"lit_optim", *EXTRAS, *ELSEWHERE})
# bases of what it may name in other packages that are imported: optimizers, schedulers, and modules for `type`
BASES = ("torch.optim.", "torch.nn.modules.")
RULE = "a checkpoint may name optimizers, schedulers, and callbacks and schedules of lit_optim"


@dataclass(frozen=True)
class _Permission:
    """What the specs of a checkpoint may name besides: packages, exact texts, and folders to write into."""

    packages: frozenset[str]
    names: frozenset[str]
    folders: tuple[Path, ...]

    def covers(self, path: str) -> bool:
        return path in self.names or any(f"{path}.".startswith(f"{name}.") for name in self.packages)


_permission: ContextVar[_Permission | None] = ContextVar("permission", default=None)  # None: everything


@contextlib.contextmanager
def only_known_packages(
    allow: str | Path | Iterable[str | Path] = (), names: Iterable[str] = (), folder: str | Path = ""
) -> Iterator[None]:
    """Restrict what specs may name, as they come from a checkpoint.

    Importable are known packages, modules that are imported already, and what is allowed. Functions, callbacks and
    other classes than optimizers and schedulers have to be lit_optim's or allowed; paths have to stay in a folder.

    Args:
        allow: dotted names of packages or modules, below which everything is allowed; folders that paths may lie in.
        names: exact import paths, and paths, that are allowed.
        folder: the run's, in which paths stay; default: that of a context around this one, or the current one.

    Example:
        >>> with only_known_packages():
        ...     import_object("antigravity.Optimizer", "optimizer._target_")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: optimizer._target_=antigravity.Optimizer: a checkpoint names it, \
and 'antigravity' is not imported; if you trust it, import it first, or load_from_checkpoint(..., allow=['antigravity'])
    """
    given = [allow] if isinstance(allow, (str, Path)) else [*allow]
    paths = [Path(each) for each in given if isinstance(each, Path) or "/" in each or "\\" in each]
    packages = frozenset(each for each in given if isinstance(each, str) and Path(each) not in paths)
    before = _permission.get() or _Permission(frozenset(), frozenset(), ())
    own = [] if before.folders and not folder else [Path(folder)]
    folders = (*own, *before.folders, *paths)
    permission = _Permission(packages | before.packages, before.names.union(names), folders)
    token = _permission.set(permission)
    try:
        yield
    finally:
        _permission.reset(token)


def check_stays_inside(path: str | Path, key: str) -> None:
    """Reject a path of a checkpoint's spec that leaves the run's folder, and those that are allowed.

    Args:
        path: a relative one lies in the run's folder; links are followed.
        key: its dotted name, for messages.

    Raises:
        ConfigError: that says how to allow it.

    Example:
        >>> with only_known_packages():
        ...     check_stays_inside("optim", "folder")
        ...     check_stays_inside("/etc", "folder")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: folder=/etc: a checkpoint names this path, outside of the run's folder; \
if you trust it, load_from_checkpoint(..., allow=['/etc'])
    """
    permission = _permission.get()
    if permission is None or str(path) in permission.names:
        return
    try:
        target = (permission.folders[0] / path).resolve()
        inside = any(target.is_relative_to(folder.resolve()) for folder in permission.folders)
    except (OSError, ValueError, RuntimeError):  # a null byte, links in a circle
        inside = False
    if not inside or "://" in str(path):
        text = str(path).encode("unicode_escape").decode()
        allowed = f"load_from_checkpoint(..., allow=[{str(path)!r}])"
        raise ConfigError(
            f"{key}={text}: a checkpoint names this path, outside of the run's folder; if you trust it, {allowed}"
        )


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
    if not _may_be_named(target, path):
        kind = "class" if inspect.isclass(target) else "function" if inspect.isroutine(target) else "object"
        remedy = f"load_from_checkpoint(..., allow=[{path!r}]), or name it in the configuration of a resumed run"
        raise ConfigError(f"{key}={path}: {RULE}, not this {kind}; if you trust it, {remedy}")
    return target


def _may_be_named(target: Any, path: str) -> bool:
    """Return whether a spec may name an object, where it comes from a checkpoint; nothing is called."""
    permission = _permission.get()
    if permission is None or path in permission.names | permission.packages:
        return True
    home = str(getattr(target, "__module__", "") or "")
    root = home.partition(".")[0]
    if permission.covers(path) and root == path.partition(".")[0]:  # not what an allowed module has imported
        return True
    if inspect.isclass(target):
        return root in KNOWN or any(base.__module__.startswith(BASES) for base in target.__mro__)
    return inspect.isfunction(target) and home.startswith("lit_optim.schedules.")


def _innermost_module(parts: list[str], path: str, key: str) -> tuple[Any, list[str]]:
    """Return the innermost module of a dotted path, and the attributes that are left."""
    permission = _permission.get()
    may_import = permission is None or (parts[0] in KNOWN and "__main__" not in parts) or permission.covers(path)
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

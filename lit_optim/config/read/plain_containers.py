"""Converts what Hydra, OmegaConf and jsonargparse hand over to plain dicts, lists and numbers."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from lit_optim.config.read.config_objects import object_fields
from lit_optim.errors import ConfigError

_PLAIN = (str, int, float, type(None), Mapping, list, tuple)


def to_plain(value: Any, key: str = "config", *, keep_objects: bool = False) -> Any:
    """Copy a value without OmegaConf containers, partials, dataclass and pydantic objects; resolve interpolations.

    A partial becomes the mapping that would build it: ``{_target_, _partial_, **keywords}``.

    Args:
        value: a spec, or anything that holds some.
        key: its dotted name.
        keep_objects: leave dataclass, attrs and pydantic objects as they are; arguments of other packages' classes
            are left in any case.

    Raises:
        ConfigError: for interpolations that lead nowhere and for values that are still missing (``???``).

    Example:
        >>> import functools, datetime
        >>> to_plain(functools.partial(datetime.date, year=2026), "day")
        {'_target_': 'datetime.date', '_partial_': True, 'year': 2026}
    """
    if is_omegaconf(value):
        from omegaconf import OmegaConf
        from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

        try:
            return to_plain(OmegaConf.to_container(value, resolve=True, throw_on_missing=True), key)
        except MissingMandatoryValue as error:
            raise ConfigError(missing_message(key, error.full_key or "")) from None
        except OmegaConfBaseException as error:
            raise ConfigError(f"{key}: {str(error).splitlines()[0]}") from None
    namespace = getattr(sys.modules.get("jsonargparse"), "Namespace", None)
    if namespace is not None and isinstance(value, namespace):  # LightningCLI's
        return to_plain(value.as_dict(), key)
    if isinstance(value, functools.partial):
        if value.args and str(getattr(value.func, "__module__", "")).startswith("jsonargparse."):  # OptimizerCallable
            return {"class_path": import_path_of(value.args[-1]), "init_args": to_plain(value.keywords, key)}
        if value.args:
            raise ConfigError(f"{key}: a partial with positional arguments; give them by name")
        value = {"_target_": import_path_of(value.func), "_partial_": True, **value.keywords}
    if not (keep_objects or isinstance(value, _PLAIN)):
        value = object_fields(value)
    if isinstance(value, Mapping):
        keep_objects = keep_objects or takes_objects(value)
        return {k: to_plain(item, f"{key}.{k}", keep_objects=keep_objects) for k, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(to_plain(item, f"{key}[{i}]", keep_objects=keep_objects) for i, item in enumerate(value))
    return value


def takes_objects(spec: Mapping[str, Any]) -> bool:
    """Return whether a spec's class is a third party's, whose arguments may be such objects themselves.

    Example:
        >>> takes_objects({"_target_": "some_shampoo.Shampoo"}), takes_objects({"_target_": "torch.optim.SGD"})
        (True, False)
    """
    path = spec.get("_target_", spec.get("class_path"))
    return isinstance(path, str) and "." in path and not path.startswith(("lit_optim.", "torch.optim."))


def missing_message(key: str, path: str) -> str:
    """Return the message about a value that is still ``???``.

    Args:
        key: dotted name of the spec.
        path: of the value, within the spec or within the whole configuration.

    Example:
        >>> missing_message("optimizer", "_target_"), missing_message("model.optimizer", "model.optimizer.lr")
        ('optimizer._target_: missing; write e.g. optimizer._target_=package.Class', \
'model.optimizer.lr: missing; give it a value')
    """
    where = path if path == key or path.startswith(f"{key}.") else f"{key}.{path}".rstrip(".")
    advice = f"write e.g. {where}=package.Class" if path.endswith("_target_") else "give it a value"
    return f"{where}: missing; {advice}"


def to_serializable(value: Any, *, keep_objects: bool = False) -> Any:
    """Convert as `to_plain`, and write what a checkpoint cannot hold under ``weights_only=True`` as text or number.

    Objects of settings among the arguments of other packages' classes become specs.
    """
    value = to_plain(value, keep_objects=keep_objects)
    if isinstance(value, dict):
        keep_objects = keep_objects or takes_objects(value)
        return {str(name): to_serializable(item, keep_objects=keep_objects) for name, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str, complex)):
        return value
    if isinstance(value, type) or inspect.isroutine(value):
        return import_path_of(value)
    if isinstance(value, (list, tuple)):
        items = (to_serializable(item, keep_objects=keep_objects) for item in value)
        return (list if isinstance(value, list) else tuple)(items)
    if isinstance(fields := object_fields(value), dict):
        return to_serializable({"_target_": import_path_of(type(value)), **fields}, keep_objects=True)
    import torch

    return value if isinstance(value, torch.Tensor) else repr(value)


def to_attribute_dict(value: Any) -> Any:
    """Convert what OmegaConf and Hydra made, however deep, to dictionaries whose keys are attributes too.

    Example:
        >>> from omegaconf import OmegaConf
        >>> to_attribute_dict(OmegaConf.create({"lr": 0.1})).lr
        0.1
    """
    from lit_optim.lightning_api import lightning_classes

    (attribute_dict, *_) = lightning_classes("core.mixins.hparams_mixin.AttributeDict")

    def convert(item: Any) -> Any:
        return attribute_dict(_map_items(convert, item)) if isinstance(item, dict) else _map_items(convert, item)

    # Hydra 1.4 refuses to pickle its partials, and Lightning drops from hparams what cannot be pickled
    by_hydra = isinstance(value, functools.partial) and type(value).__module__.startswith("hydra.")
    if not (by_hydra or is_omegaconf(value)):
        return _map_items(to_attribute_dict, value)
    try:
        return convert(to_plain(value))
    except ConfigError:  # an interpolation that leads nowhere: validation reports it
        return value


def without_omegaconf(value: Any) -> Any:
    """Convert OmegaConf's containers, however deep, to plain ones; nothing else is changed.

    Example:
        >>> from omegaconf import OmegaConf
        >>> without_omegaconf({"a": [OmegaConf.create([1])]})
        {'a': [[1]]}
    """
    return to_plain(value) if is_omegaconf(value) else _map_items(without_omegaconf, value)


def _map_items(convert: Callable[[Any], Any], value: Any) -> Any:
    """Copy a plain dict, list or tuple with its items converted; return anything else as it is."""
    if type(value) is dict:
        return {name: convert(item) for name, item in value.items()}
    return type(value)(map(convert, value)) if type(value) in (list, tuple) else value


def all_strings(value: Any) -> Iterator[str]:
    """Yield all texts in a value, however deep, paths as texts, and the import paths of classes and functions.

    Example:
        >>> list(all_strings({"_target_": "torch.optim.SGD", "lr": 1, "names": ["a", PurePath("b")], "function": len}))
        ['torch.optim.SGD', 'a', 'b', 'builtins.len']
    """
    try:
        value = to_plain(value)
    except ConfigError:  # a value that is missing
        return
    if isinstance(value, (str, PurePath)):
        yield str(value)
    if isinstance(value, type) or inspect.isroutine(value):
        yield import_path_of(value)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        yield from all_strings(item)


def is_omegaconf(value: Any) -> bool:
    """Return whether ``value`` is a container of OmegaConf's."""
    # imports nothing: if it is one, OmegaConf is loaded
    omegaconf = sys.modules.get("omegaconf")
    return omegaconf is not None and isinstance(value, omegaconf.Container)


def public_path(path: str) -> str:
    """Return the public import path of something that is imported already, and any other path as it is.

    Example:
        >>> import torch
        >>> public_path("torch.optim.adamw.AdamW"), public_path("no.such.Thing")
        ('torch.optim.AdamW', 'no.such.Thing')
    """
    module, _, name = path.rpartition(".")
    target = getattr(sys.modules.get(module), name, None)
    return import_path_of(target) if isinstance(target, type) else path


def import_path_of(target: Any) -> str:
    """Return the shortest import path of a class or function: ``torch.optim.AdamW``, not that of ``adamw.AdamW``."""
    named = target if hasattr(target, "__qualname__") else type(target)
    name, module = named.__qualname__, str(named.__module__)
    above = [module[:i] for i, letter in enumerate(module) if letter == "."]
    public = (package for package in above if getattr(sys.modules.get(package), name, None) is target)
    return f"{next(public, module)}.{name}"

"""Build Lightning callbacks from the ``optim_callbacks`` spec."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from lit_optim.config.build.optimizer import check_nested
from lit_optim.config.checks.keyword_arguments import check_call
from lit_optim.config.checks.locate import locate
from lit_optim.config.checks.signature import call_signature, only_kwargs_takes
from lit_optim.config.checks.unused_kwargs import check_unused_kwargs, uses_kwargs
from lit_optim.config.read.class_path import from_class_path, is_name, name_alone
from lit_optim.config.read.plain_containers import to_plain
from lit_optim.config.read.presets import load_preset, preset_names
from lit_optim.config.read.spec import HYDRA_KEYS
from lit_optim.errors import ConfigError, Problems, wrong
from lit_optim.imports import check_stays_inside
from lit_optim.lightning_api import is_instance, lightning_classes

if TYPE_CHECKING:
    from lit_optim.lightning_api import Callback


def callbacks_from_spec(spec: Any, key: str = "optim_callbacks") -> list[Callback]:
    """Build callbacks from a mapping name -> spec (what Hydra composes), a name, a list of both, or None.

    Raises:
        ConfigError: with all that is wrong.
    """
    problems = Problems()
    callbacks: list[Callback] = []
    singles: dict[type[Callback], str] = {}
    for name, given in _callback_entries(spec, key).items():
        if is_instance(given, "Callback"):
            callbacks.append(given)
            continue
        where = f"{key}.{name}" if name else key
        try:
            callback = _build_callback(given, where)
            callbacks.append(callback)
            if (cls := type(callback)) in singles and getattr(cls, "single", False):
                raise ConfigError(f"{where}: a second {cls.__name__}, beside {singles[cls]}; keep one of them")
            singles[cls] = where
        except ConfigError as error:
            problems.take(error)
        except Exception as error:  # of a third party's class, when it is looked at
            problems.append(f"{where}: refused these values: {error}")
    problems.raise_if_any()
    return callbacks


def _build_callback(given: Any, where: str) -> Callback:
    entry = from_class_path(given, where)
    if not isinstance(entry, Mapping) or "_target_" not in entry:
        raise ConfigError(wrong(where, entry, "not a callback; give a mapping with _target_, or remove it"))
    if entry.get("_args_"):
        raise ConfigError(f"{where}._args_: positional arguments are not taken; name them")
    cls: type[Callback] = locate(entry["_target_"], partial(lightning_classes, "Callback"), where)
    found = Problems()
    given = {k: v for k, v in entry.items() if k not in HYDRA_KEYS}
    arguments = check_call(cls, given, where, found, check_nested=check_nested)
    if (extra := only_kwargs_takes(cls, arguments)) and not uses_kwargs(cls):
        check_unused_kwargs(cls, extra, where, found)
    found.raise_if_any()
    _check_paths(cls, arguments, where)
    try:
        return cls(**arguments)
    except ConfigError as error:  # of our own callbacks, which do not know where they are configured
        raise ConfigError(*(f"{where}.{problem}" for problem in error.problems)) from None
    except Exception as error:
        raise ConfigError(f"{where}: {cls.__name__} refused these values: {error}") from error


def _check_paths(cls: Any, arguments: Mapping[str, Any], where: str) -> None:
    """Reject paths that a checkpoint may not name."""
    for name, hint in call_signature(cls).hints.items():
        if name in arguments and Path in (hint, *get_args(hint)):
            check_stays_inside(arguments[name], f"{where}.{name}")


def _callback_entries(spec: Any, key: str) -> dict[str, Any]:
    """Read the spec as a mapping name -> callback or its spec."""
    if spec is None:
        return {}
    if is_instance(spec, "Callback"):
        return {type(spec).__name__: spec}
    spec = name_alone(from_class_path(to_plain(spec, key), key))
    if isinstance(spec, str):
        return load_preset("optim_callbacks", spec, key)
    if isinstance(spec, Mapping):
        name = spec.get("_target_", spec.get("name"))
        if is_name(name):
            changes = {k: v for k, v in spec.items() if k not in ("_target_", "name")}
            return {k: {**entry, **changes} for k, entry in load_preset("optim_callbacks", name, key).items()}
        if "_target_" in spec:
            return {"": dict(spec)}
        return {k: _of_preset(k, v, f"{key}.{k}") for k, v in spec.items() if v is not None}
    if isinstance(spec, (list, tuple)):
        entries: dict[str, Any] = {}
        for i, entry in enumerate(spec):
            for name, value in _callback_entries(entry, f"{key}[{i}]").items():
                entries[name if name not in entries else f"{name}[{i}]"] = value
        return entries
    raise ConfigError(f"{key}={spec!r}: not a list of callbacks; give names of presets, or a mapping name -> spec")


def _of_preset(key: str, value: Any, where: str) -> Any:
    """Merge an entry into the preset that it names at ``_target_``, at ``name``, or by its own key."""
    given = {"_target_": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping) or "class_path" in given:
        return value
    own_key = key if key in preset_names("optim_callbacks") else None
    name: Any = given.get("_target_", given.get("name", own_key))
    if not is_name(name):
        return value
    (entry,) = load_preset("optim_callbacks", name, where).values()
    return {**entry, **{k: v for k, v in given.items() if k not in ("_target_", "name")}}

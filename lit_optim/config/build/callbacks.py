"""The ``optim_callbacks`` spec -> Lightning callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lit_optim.config.build.optimizer import check_nested
from lit_optim.config.checks.call import check_call, named_arguments, swallows
from lit_optim.config.checks.locate import locate
from lit_optim.config.checks.unused_kwargs import check_unused_kwargs, hands_on
from lit_optim.config.read.class_path import from_class_path, name_alone
from lit_optim.config.read.plain_containers import to_plain
from lit_optim.config.read.presets import load_preset
from lit_optim.config.read.spec import HYDRA_KEYS
from lit_optim.errors import ConfigError, Problems, wrong

if TYPE_CHECKING:
    from lit_optim.lightning_api import Callback


def callbacks_from_spec(spec: Any, key: str = "optim_callbacks") -> list[Callback]:
    """Callbacks from a mapping name -> spec (what Hydra composes), a name, a list of names or callbacks, or None.

    Raises:
        ConfigError: with all that is wrong.
    """
    from lit_optim.lightning_api import Callback

    problems = Problems()
    callbacks: list[Callback] = []
    singles: dict[type[Callback], str] = {}
    for name, given in _entries(spec, key).items():
        if isinstance(given, Callback):
            callbacks.append(given)
            continue
        where = f"{key}.{name}" if name else key
        try:
            entry = from_class_path(given, where)
            if not isinstance(entry, Mapping) or "_target_" not in entry:
                raise ConfigError(wrong(where, entry, "not a callback; give a mapping with _target_, or remove it"))
            if entry.get("_args_"):
                raise ConfigError(f"{where}._args_: positional arguments are not taken; name them")
            cls = locate(entry["_target_"], Callback, where)
            found = Problems()
            arguments = check_call(
                cls, {k: v for k, v in entry.items() if k not in HYDRA_KEYS}, where, found, check_nested=check_nested
            )
            if (extra := swallows(cls, arguments)) and not hands_on(cls):
                check_unused_kwargs(cls, extra, where, found, names=dict.fromkeys(named_arguments(cls)))
            found.raise_if_any()
            callbacks.append(_built(cls, arguments, where))
            if getattr(cls, "single", False) and cls in singles:
                raise ConfigError(f"{where}: a second {cls.__name__}, beside {singles[cls]}; keep one of them")
            singles[cls] = where
        except ConfigError as error:
            problems.take(error)
        except Exception as error:
            problems.append(f"{where}: {cls.__name__} refused these values: {error}")
    problems.raise_if_any()
    return callbacks


def _built(cls: type[Callback], arguments: dict[str, Any], where: str) -> Callback:
    try:
        return cls(**arguments)
    except ConfigError as error:  # of our own callbacks, which do not know where they are configured
        raise ConfigError(*(f"{where}.{problem}" for problem in error.problems)) from None


def _entries(spec: Any, key: str) -> dict[str, Any]:
    from lit_optim.lightning_api import Callback

    if spec is None:
        return {}
    if isinstance(spec, Callback):
        return {type(spec).__name__: spec}
    spec = name_alone(from_class_path(to_plain(spec, key), key))
    if isinstance(spec, str):
        return load_preset("optim_callbacks", spec, key)
    if isinstance(spec, Mapping):
        return {"": dict(spec)} if "_target_" in spec else {k: v for k, v in spec.items() if v is not None}
    if isinstance(spec, (list, tuple)):
        entries: dict[str, Any] = {}
        for i, entry in enumerate(spec):
            found = _entries(entry, f"{key}[{i}]")
            entries.update({name if name not in entries else f"{name}[{i}]": value for name, value in found.items()})
        return entries
    raise ConfigError(f"{key}={spec!r}: not a list of callbacks; give names of presets, or a mapping name -> spec")

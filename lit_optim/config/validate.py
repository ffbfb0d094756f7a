"""All four specs of a configuration at once, before any data is touched."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from lit_optim.config.build.callbacks import callbacks_from_spec
from lit_optim.config.build.optimizer import check_optimizer, check_rules
from lit_optim.config.build.param_groups import read_rules
from lit_optim.config.build.scheduler import check_scheduler
from lit_optim.config.read.plain_containers import is_omegaconf
from lit_optim.config.read.presets import GROUPS
from lit_optim.config.read.spec import read_spec
from lit_optim.errors import ConfigError, Problems, wrong


def validate(cfg: Any) -> None:
    """Checks the specs of a config, at its top or under ``model``.

    Args:
        cfg: DictConfig or mapping with any of the keys optimizer, scheduler, param_groups, optim_callbacks.

    Raises:
        ConfigError: one, with every error that can be told before the length of the run is known.

    Example:
        >>> validate({"optimizer": "adamw", "scheduler": "warmup_cosine"})
        >>> validate({"optimizer": "sdg"})
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: optimizer='sdg': no preset of that name; did you mean 'sgd'?
    """
    if not _is_mapping(cfg):
        raise ConfigError(wrong("config", cfg, f"expects a mapping with any of the keys {', '.join(GROUPS)}"))
    problems = Problems()
    try:
        for prefix, level in (("", cfg), ("model.", _item(cfg, "model"))):
            _check_names(level, prefix, "" if prefix else cfg, problems)
            for group in GROUPS:
                try:
                    spec = _item(level, group, prefix)
                    if spec is not None and not (prefix and _same(spec, _item(cfg, group))):  # ${optimizer}
                        check(group, spec, f"{prefix}{group}", _quietly(level, "optimizer"))
                except ConfigError as error:
                    problems.take(error)
    except RecursionError:
        raise ConfigError("config: nested too deeply, or a part of it holds itself") from None
    problems.raise_if_any()


def check(group: str, spec: Any, key: str, optimizer: Any = None) -> None:
    """Checks one spec; rules for param groups against the optimizer beside them."""
    if group == "optimizer":
        check_optimizer(read_spec(spec, group, key))
    elif group == "scheduler":
        check_scheduler(read_spec(spec, group, key))
    elif group == "param_groups":
        rules = read_rules(spec, key)
        if optimizer is not None:
            try:
                cls, arguments = check_optimizer(read_spec(optimizer, "optimizer"))
            except ConfigError:
                return  # told by its own check
            check_rules(rules, cls, arguments, key)
    else:
        callbacks_from_spec(spec, key)


def _check_names(level: Any, prefix: str, top: Any, problems: Problems) -> None:
    """Refuses ``schedular: cosine`` where there is no scheduler: a spec that nobody would read."""
    if not _is_mapping(level) or ("_target_" in level and not prefix):
        return
    model = None if prefix else _item(top, "model")
    elsewhere = list(model) if _is_mapping(model) and model is not None else []
    free = [group for group in GROUPS if group not in level and group not in elsewhere]
    for name in map(str, level):
        if any(group in name for group in GROUPS):
            continue  # optimizer_g, lr_scheduler: the app's own
        near = difflib.get_close_matches(name, free, n=1, cutoff=0.85)
        if near and (isinstance(_quietly(level, name), str) or _is_mapping(_quietly(level, name))):
            problems.append(f"{prefix}{name}: no such group; did you mean {near[0]!r}?")


def _same(one: Any, other: Any) -> bool:
    try:
        return one is other or bool(one == other)
    except Exception:  # tensors of several elements
        return one is other


def _quietly(level: Any, key: str) -> Any:
    try:
        return _item(level, key)
    except ConfigError:
        return None


def _is_mapping(value: Any) -> bool:
    if is_omegaconf(value):
        return hasattr(value, "keys") and not value._is_none() and not value._is_missing()
    return isinstance(value, Mapping)


def _item(cfg: Any, key: str, prefix: str = "") -> Any:
    if not _is_mapping(cfg) or not _has(cfg, key):
        return None
    try:
        return cfg[key]
    except Exception as error:  # an interpolation that leads nowhere, a value that is still missing
        raise ConfigError(f"{prefix}{key}: {str(error).splitlines()[0]}") from None


def _has(cfg: Any, key: str) -> bool:
    """Whether the key is there; OmegaConf says no where its value is still ``???``."""
    return key in cfg or (is_omegaconf(cfg) and key in cfg.keys())  # noqa: SIM118 - see above

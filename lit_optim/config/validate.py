"""All four specs of a configuration at once, before any data is touched."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from lit_optim.config.callbacks import make_callbacks
from lit_optim.config.groups import read_rules
from lit_optim.config.optimizer import check_optimizer, check_rules
from lit_optim.config.plain import is_omegaconf
from lit_optim.config.scheduler import check_scheduler
from lit_optim.config.spec import read
from lit_optim.errors import ConfigError, Problems, wrong

GROUPS = ("optimizer", "scheduler", "param_groups", "optim_callbacks")


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
    _check_names(cfg, problems)
    for prefix, level in (("", cfg), ("model.", _item(cfg, "model"))):
        for group in GROUPS:
            spec = _item(level, group)
            # model.optimizer: ${optimizer}; as text too, for NaN is not equal to itself
            again = prefix and (spec == _item(cfg, group) or str(spec) == str(_item(cfg, group)))
            if spec is not None and not again:
                try:
                    check(group, spec, f"{prefix}{group}", _item(level, "optimizer"))
                except ConfigError as error:
                    problems.take(error)
    problems.raise_if_any()


def check(group: str, spec: Any, key: str, optimizer: Any = None) -> None:
    """Checks one spec; rules for param groups against the optimizer beside them."""
    if group == "optimizer":
        check_optimizer(read(spec, group, key))
    elif group == "scheduler":
        check_scheduler(read(spec, group, key))
    elif group == "param_groups":
        rules = read_rules(spec, key)
        if optimizer is not None:
            try:
                cls, arguments = check_optimizer(read(optimizer, "optimizer"))
            except ConfigError:
                return  # told by its own check
            check_rules(rules, cls, arguments, key)
    else:
        make_callbacks(spec, key)


def _check_names(cfg: Any, problems: Problems) -> None:
    """Refuses ``schedular: cosine`` where there is no scheduler: a spec that nobody would read."""
    for name in [] if "_target_" in cfg else cfg:
        near = difflib.get_close_matches(str(name), [group for group in GROUPS if group not in cfg], n=1, cutoff=0.85)
        if near and name not in GROUPS and (isinstance(_item(cfg, name), str) or _is_mapping(_item(cfg, name))):
            problems.append(f"{name}: no such group; did you mean {near[0]!r}?")


def _is_mapping(value: Any) -> bool:
    if is_omegaconf(value):
        return hasattr(value, "keys") and not value._is_none() and not value._is_missing()
    return isinstance(value, Mapping)


def _item(cfg: Any, key: str) -> Any:
    if not _is_mapping(cfg) or key not in cfg:
        return None
    try:
        return cfg[key]
    except Exception as error:  # an interpolation that leads nowhere
        raise ConfigError(f"{key}: {str(error).splitlines()[0]}") from None

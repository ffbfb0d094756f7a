"""Check all four specs of a configuration at once, before any data is read."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from lit_optim.config.read.config_objects import object_fields
from lit_optim.config.read.plain_containers import is_omegaconf
from lit_optim.config.read.presets import GROUPS
from lit_optim.config.resolve_named import resolve
from lit_optim.errors import ConfigError, Problems, wrong


def validate(cfg: Any) -> None:
    """Check the specs of a config, at its top or under ``model``.

    Args:
        cfg: DictConfig, mapping or dataclass object with any of the keys optimizer, scheduler, param_groups,
            optim_callbacks.

    Raises:
        ConfigError: one, with every error that can be found before the length of the run is known.

    Example:
        >>> validate({"optimizer": "adamw", "scheduler": "warmup_cosine"})
        >>> validate({"optimizer": "sdg"})
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: optimizer='sdg': no preset of that name; did you mean 'sgd'?
    """
    cfg = object_fields(cfg)
    if not _is_mapping(cfg):
        raise ConfigError(wrong("config", cfg, f"expects a mapping with any of the keys {', '.join(GROUPS)}"))
    problems = Problems()
    try:
        top = _check_level(cfg, "", {}, problems)
        _check_level(object_fields(_read_key(cfg, "model", "", problems)), "model.", top, problems)
    except RecursionError:
        raise ConfigError("config: nested too deeply, or a part of it holds itself") from None
    problems.raise_if_any()


def _check_level(level: Any, prefix: str, above: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """Check the specs of one level, but those that repeat the level above (``${optimizer}``); return them."""
    if not _is_mapping(level):
        return {}
    _check_group_names(level, prefix, problems)
    found = {group: _read_key(level, group, prefix, problems) for group in GROUPS}
    specs = {group: spec for group, spec in found.items() if spec is not None}
    same = [group for group, spec in specs.items() if group in above and _equal_specs(spec, above[group])]
    if len(same) < len(specs):
        try:
            resolve(specs, prefix=prefix, settled=same)
        except ConfigError as error:
            problems.take(error)
    return specs


def _check_group_names(level: Any, prefix: str, problems: Problems) -> None:
    """Reject ``schedular: cosine`` where there is no scheduler: a spec that has no effect."""
    if "_target_" in level and not prefix:
        return
    model = None if prefix else object_fields(_read_key(level, "model"))
    elsewhere = list(model or ()) if _is_mapping(model) else []
    free = [group for group in GROUPS if group not in level and group not in elsewhere]
    for name in map(str, level):
        if any(group in name for group in GROUPS):
            continue  # optimizer_g, lr_scheduler: the app's own
        near = difflib.get_close_matches(name, free, n=1, cutoff=0.85)
        if near and (isinstance(spec := _read_key(level, name), str) or _is_mapping(spec)):
            problems.append(f"{prefix}{name}: no such group; did you mean {near[0]!r}?")


def _equal_specs(one: Any, other: Any) -> bool:
    try:
        return one is other or bool(one == other)
    except Exception:  # tensors of several elements
        return False


def _is_mapping(value: Any) -> bool:
    if is_omegaconf(value):
        return hasattr(value, "keys") and not value._is_none() and not value._is_missing()
    return isinstance(value, Mapping)


def _read_key(cfg: Any, key: str, prefix: str = "", problems: Problems | None = None) -> Any:
    """Return the value of a key; None where it is not there or cannot be read, which is added to ``problems``."""
    # of a value that is still ``???`` OmegaConf says that its key is not there
    if not (key in cfg or (is_omegaconf(cfg) and key in cfg.keys())):  # noqa: SIM118
        return None
    try:
        return cfg[key]
    except Exception as error:  # an interpolation that leads nowhere, a value that is still missing
        if problems is not None:
            problems.append(f"{prefix}{key}: {str(error).splitlines()[0]}")
        return None

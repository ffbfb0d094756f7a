"""Reads a mapping of names: the specs of several optimizers, the parameters of each, and their schedules."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping
from typing import Any

from lit_optim.config.checks.lightning_keys import LIGHTNING_KEYS
from lit_optim.config.checks.slots import ALIASES, SCHEDULE_KEYS
from lit_optim.config.read.plain_containers import is_omegaconf, to_plain
from lit_optim.config.read.spec import read_spec
from lit_optim.errors import Problems, did_you_mean

OF = "of"
SPEC_KEYS = ("_target_", "class_path", "_partial_", "name")  # with one of them it is the spec of one object
NAME = re.compile(r"[A-Za-z_][\w./]*")  # of a preset or an import path: `1e-3` is none
OF_SCHEDULES = {*SCHEDULE_KEYS, *LIGHTNING_KEYS, *ALIASES}


def specs_by_name(spec: Any, key: str = "optimizer") -> dict[str, Any] | None:
    """Return the specs of several optimizers by name, or None for the spec of one.

    Args:
        spec: a mapping of names holds a spec at each key; anything else is one spec.
        key: its dotted name.

    Example:
        >>> specs_by_name({"actor": "adam", "critic": {"_target_": "sgd", "of": ["q1", "q2"]}})
        {'actor': 'adam', 'critic': {'_target_': 'sgd', 'of': ['q1', 'q2']}}
        >>> specs_by_name({"_target_": "sgd", "lr": 0.1}), specs_by_name({"lr": "0.1"})
        (None, None)
    """
    plain = _without_container(spec, key)
    if not isinstance(plain, Mapping) or not plain or any(name in plain for name in SPEC_KEYS):
        return None
    specs = {str(name): _without_container(value, f"{key}.{name}") for name, value in plain.items()}
    return specs if all(map(_may_be_spec, specs.values())) else None


def split_of(spec: Any, name: str) -> tuple[Any, Any]:
    """Split the spec of a named optimizer into itself and its ``of``: by default its name, as a module's path.

    Example:
        >>> split_of({"_target_": "sgd", "of": "critic"}, "discriminator"), split_of("adam", "generator")
        (({'_target_': 'sgd'}, 'critic'), ('adam', 'generator'))
    """
    if isinstance(spec, functools.partial) and OF in spec.keywords:  # as Hydra's instantiate makes of a mapping
        spec = to_plain(spec, name)
    if not isinstance(spec, Mapping) or OF not in spec:
        return spec, name
    return {key: value for key, value in spec.items() if key != OF}, spec[OF]


def schedules_by_name(spec: Any, names: Collection[str], key: str = "scheduler") -> dict[str, tuple[Any, str]]:
    """Return the schedule of each of several optimizers, with its dotted name.

    Args:
        spec: one for all, or a mapping of the optimizers' names; an optimizer that it leaves out has none.
        names: of the optimizers.
        key: dotted name of the spec.

    Raises:
        ConfigError: for a name that no optimizer has.

    Example:
        >>> schedules_by_name({"actor": "cosine"}, ["actor", "critic"])
        {'actor': ('cosine', 'scheduler.actor'), 'critic': (None, 'scheduler.critic')}
        >>> schedules_by_name({"warmup": 10}, ["actor", "critic"])["critic"]
        ({'warmup': 10}, 'scheduler')
    """
    plain = _without_container(spec, key)
    if not isinstance(plain, Mapping) or not plain or "_target_" in plain or "class_path" in plain:
        return dict.fromkeys(names, (plain, key))
    if not plain.keys() <= {*names} and not plain.keys().isdisjoint(OF_SCHEDULES):
        return dict.fromkeys(names, (plain, key))
    problems = Problems()
    for name in [name for name in plain if name not in names]:
        hint = did_you_mean(str(name), names, list_all=True)
        problems.add(f"{key}.{name}", plain[name], f"no optimizer of that name{hint}")
    problems.raise_if_any()
    return {name: (plain.get(name), f"{key}.{name}") for name in names}


def spec_pairs(level: Mapping[str, Any], prefix: str = "") -> list[tuple[tuple[Any, str], tuple[Any, str]]]:
    """Return the specs of the optimizer and of its scheduler, each with its dotted name; those of several by name.

    Example:
        >>> spec_pairs({"optimizer": {"actor": {"_target_": "sgd", "of": "net"}}, "scheduler": "cosine"})
        [(({'_target_': 'sgd'}, 'optimizer.actor'), ('cosine', 'scheduler'))]
    """
    optimizer, scheduler = level.get("optimizer"), level.get("scheduler")
    named = specs_by_name(optimizer, f"{prefix}optimizer")
    if named is None:
        return [((optimizer, f"{prefix}optimizer"), (scheduler, f"{prefix}scheduler"))]
    schedules = schedules_by_name(scheduler, named, f"{prefix}scheduler")
    return [((split_of(one, name)[0], f"{prefix}optimizer.{name}"), schedules[name]) for name, one in named.items()]


def optimizer_as_dict(spec: Any, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the spec of one optimizer, or of several by name, with import paths and all arguments.

    Example:
        >>> optimizer_as_dict({"actor": "torch.optim.SGD"})
        {'actor': {'_target_': 'torch.optim.SGD', 'of': 'actor'}}
    """
    named = specs_by_name(spec)
    if named is None:
        return read_spec(spec, "optimizer", overrides=overrides).as_dict()
    split = {name: split_of(one, name) for name, one in named.items()}
    return {
        name: {**read_spec(one, "optimizer", f"optimizer.{name}").as_dict(), OF: of}
        for name, (one, of) in split.items()
    }


def _without_container(spec: Any, key: str) -> Any:
    """Convert containers of OmegaConf and of LightningCLI; other objects stay as they are."""
    return to_plain(spec, key) if is_omegaconf(spec) or hasattr(spec, "as_dict") else spec


def _may_be_spec(value: Any) -> bool:
    if isinstance(value, str):
        return NAME.fullmatch(value) is not None
    return isinstance(value, Mapping) or callable(value)

"""Reads a spec in any of its forms: the class's path and its keyword arguments."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lit_optim.config.read import presets
from lit_optim.config.read.class_path import from_class_path, is_name
from lit_optim.config.read.plain_containers import import_path_of, missing_message, public_path, to_plain
from lit_optim.errors import ConfigError, did_you_mean
from lit_optim.schedules.plan.phase_configs import SLOTS

HYDRA_KEYS = ("_target_", "_partial_", "_convert_", "_recursive_", "_args_")
OLD_PATHS = {"lit_optim.schedule_lr.ScheduleLR": "lit_optim.ScheduleLR"}  # that configurations may hold
LR_SCALING = "lr_scaling"  # a key of optimizers that is no argument of their class
UNSET = "???"  # OmegaConf's mark of a missing value: the target of the preset `any`
DEFAULT_TARGETS = {"scheduler": "lit_optim.ScheduleLR"}


@dataclass(frozen=True)
class Spec:
    """Describes what to build: ``target`` is an import path, or a class or factory that was given as an object."""

    target: Any
    arguments: dict[str, Any] = field(default_factory=dict)
    key: str = "optimizer"
    lr_scaling: Any = None  # of an optimizer: how its lrs depend on the batch size

    @property
    def path(self) -> str:
        """Return the import path of the target."""
        return public_path(self.target) if isinstance(self.target, str) else import_path_of(self.target)

    def as_dict(self) -> dict[str, Any]:
        """Return the spec as a mapping, which `read_spec` reads again."""
        scaling = {} if self.lr_scaling is None else {LR_SCALING: self.lr_scaling}
        return {"_target_": self.path, **self.arguments, **scaling}


def read_spec(spec: Any, group: str, key: str | None = None, overrides: Mapping[str, Any] | None = None) -> Spec:
    """Read a spec, and merge overrides into it.

    Args:
        spec: a preset's name, an import path, a mapping or DictConfig with one of them at ``_target_`` (or
            LightningCLI's ``class_path``, or ``name`` where that is no key of its own), a (Hydra) partial, a class or
            callable.
        group: whose presets a name is looked up among.
        key: its dotted name in the user's config; default: the group.
        overrides: beat the spec's keys; a mapping is merged into a mapping.

    Raises:
        ConfigError: for an unknown name, and for a value that is not a spec.

    Example:
        >>> read_spec({"_target_": "torch.optim.SGD", "lr": 0.1}, "optimizer", overrides={"lr": 0.2}).as_dict()
        {'_target_': 'torch.optim.SGD', 'lr': 0.2}
    """
    key = key or group
    target, arguments = _parts(spec, group, key)
    if arguments.get("_args_"):
        raise ConfigError(f"{key}._args_: positional arguments are not taken; name them")
    for name in arguments:
        if not isinstance(name, str):
            raise ConfigError(f"{key}: {name!r} is not the name of an argument; write a text")
    arguments = {name: value for name, value in arguments.items() if name not in HYDRA_KEYS}
    target = OLD_PATHS.get(target, target) if isinstance(target, str) else target
    merged = merge(arguments, to_plain(dict(overrides or {}), key))
    scaling = merged.pop(LR_SCALING, None) if group == "optimizer" else None
    return Spec(target, merged, key, scaling)


def merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge ``above`` into a copy of ``below``; a scalar over a slot's mapping becomes its ``steps``.

    Example:
        >>> merge({"warmup": {"steps": 10, "shape": "linear"}, "lr": 1}, {"warmup": "5%", "lr": 2})
        {'warmup': {'steps': '5%', 'shape': 'linear'}, 'lr': 2}
    """
    merged = dict(below)
    for name, value in above.items():
        before = merged.get(name)
        if isinstance(before, dict) and isinstance(value, Mapping):
            merged[name] = merge(before, value)
        elif isinstance(before, dict) and name in SLOTS and isinstance(value, (int, float, str)):
            merged[name] = {**before, "steps": value}
        else:
            merged[name] = value
    return merged


def merge_presets(spec: Any, group: str) -> dict[str, Any]:
    """Read a spec that names no class - a preset's name, a mapping, or a list of them - as one mapping.

    Example:
        >>> list(merge_presets(["no_decay", {"layers": {"decay": 0.75}}], "param_groups"))
        ['rules', 'layers']
    """
    merged: dict[str, Any] = {}
    for part in spec if isinstance(spec, (list, tuple)) else [spec]:
        given = presets.load_preset(group, part, group) if isinstance(part, str) else part
        merged = merge(merged, given) if isinstance(given, Mapping) else merged
    return merged


def _parts(spec: Any, group: str, key: str) -> tuple[Any, dict[str, Any]]:
    if isinstance(spec, functools.partial) and not spec.args and not isinstance(spec.func, functools.partial):
        by_hydra = type(spec).__module__.partition(".")[0] == "hydra" and not isinstance(spec.func, type)
        # a path has to lead to a class
        return import_path_of(spec.func) if by_hydra else spec.func, to_plain(spec, key)
    spec = from_class_path(to_plain(spec, key), key)
    if isinstance(spec, str):
        if "." in spec and spec not in presets.preset_names(group):
            return spec, {}
        spec = presets.load_preset(group, spec, key)
    if isinstance(spec, dict):
        if group not in DEFAULT_TARGETS and "_target_" not in spec and isinstance(spec.get("name"), str):
            spec = {"_target_": spec["name"], **{name: value for name, value in spec.items() if name != "name"}}
        target = spec.get("_target_", DEFAULT_TARGETS.get(group))
        if target is None:
            known = presets.preset_names(group)
            example = f"{key}={'adamw' if 'adamw' in known else known[0]}" if known else "_target_: package.Class"
            raise ConfigError(f"{key}._target_: missing; name a class there, or choose a preset, e.g. {example}")
        if is_name(target) and target != UNSET:
            target, spec = _changed_preset(target, spec, group, key)
        if target == UNSET:
            raise ConfigError(missing_message(key, "_target_"))
        return target, spec
    if callable(spec):
        return spec, {}
    raise ConfigError(f"{key}={spec!r}: not a spec; give a preset's name, a mapping with _target_, or a partial")


def _changed_preset(name: str, changes: dict[str, Any], group: str, key: str) -> tuple[Any, dict[str, Any]]:
    """Merge a mapping into the preset that it names at ``_target_``."""
    if name not in presets.preset_names(group):
        hint = did_you_mean(name.lower(), presets.preset_names(group)) or "; write e.g. torch.optim.AdamW"
        raise ConfigError(f"{key}._target_={name}: not an import path, and no preset of that name{hint}")
    preset = presets.load_preset(group, name)
    return preset["_target_"], merge(preset, {k: v for k, v in changes.items() if k != "_target_"})

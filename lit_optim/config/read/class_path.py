"""Reads LightningCLI's spellings: ``class_path`` and ``init_args``, and a preset's name in a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_optim.errors import ConfigError, wrong

CLASS_PATH, INIT_ARGS = "class_path", "init_args"
OFF_BY_DEFAULT = ("capturable", "differentiable")


def from_class_path(spec: Any, key: str) -> Any:
    """Rewrite ``class_path`` as ``_target_``, with the ``init_args`` beside it.

    Raises:
        ConfigError: if both spellings are there, or ``init_args`` is no mapping.

    Example:
        >>> from_class_path({"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}, "optimizer")
        {'_target_': 'torch.optim.SGD', 'lr': 0.1}
    """
    if not isinstance(spec, Mapping) or CLASS_PATH not in spec:
        return spec
    if "_target_" in spec:
        rule = f"_target_={spec['_target_']} is there too; keep one of them"
        raise ConfigError(wrong(f"{key}.{CLASS_PATH}", spec[CLASS_PATH], rule))
    arguments = spec.get(INIT_ARGS) or {}
    if not isinstance(arguments, Mapping):
        raise ConfigError(wrong(f"{key}.{INIT_ARGS}", arguments, "expects a mapping of arguments"))
    rest = {name: value for name, value in spec.items() if name not in (CLASS_PATH, INIT_ARGS)}
    for name, value in rest.items():
        if name in arguments:
            raise ConfigError(wrong(f"{key}.{name}", value, f"{INIT_ARGS}.{name} is there too; keep one of them"))
    # a parser writes down every default; by hand, these two would keep the fastest implementation from being chosen
    arguments = {name: value for name, value in arguments.items() if name not in OFF_BY_DEFAULT or value}
    return {"_target_": spec[CLASS_PATH], **arguments, **rest}


def name_alone(spec: Any) -> Any:
    """Return the name in a mapping that holds nothing else, and any other spec as it is.

    Example:
        >>> name_alone({"_target_": "no_decay"}), name_alone({"name": "no_decay"}), name_alone({"rules": []})
        ('no_decay', 'no_decay', {'rules': []})
    """
    if isinstance(spec, Mapping) and list(spec) in (["_target_"], ["name"]):
        (name,) = spec.values()
        return name if is_name(name) else spec
    return spec


def is_name(target: Any) -> bool:
    """Return whether a target can only be a preset's name, because an import path has a dot."""
    return isinstance(target, str) and "." not in target

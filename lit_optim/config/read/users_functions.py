"""Find the functions of the user's that a configuration names, and that are called to check or draw a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEYS = ("function", "lr_lambda", "shape")


def users_functions(value: Any, key: str = "") -> dict[str, str]:
    """Return the import paths of the user's functions in specs, by dotted key.

    Args:
        value: specs, or a part of one, in plain containers.
        key: its dotted name.

    Example:
        >>> users_functions({"scheduler": {"main": {"shape": "lambda", "function": "my.package.decay"}}})
        {'scheduler.main.function': 'my.package.decay'}
    """
    if isinstance(value, Mapping):
        items = [(f"{key}.{name}" if key else str(name), item) for name, item in value.items()]
    elif isinstance(value, (list, tuple)):
        items = [(f"{key}[{i}]", item) for i, item in enumerate(value)]
    else:
        parts = value.split(".") if isinstance(value, str) and key.rpartition(".")[2] in KEYS else []
        named = len(parts) > 1 and all(part.isidentifier() for part in parts) and parts[0] != "lit_optim"
        return {key: value} if named else {}
    return {where: path for name, item in items for where, path in users_functions(item, name).items()}

"""Writes values as they stand in a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def as_config_value(value: Any) -> str:
    """Write a value as in YAML.

    Example:
        >>> as_config_value([1e-08, True, None, "5%", 50.0])
        '[1e-8, true, null, 5%, 50.0]'
    """
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(as_config_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {as_config_value(item)}' for name, item in value.items())}}}"
    if isinstance(value, float):
        return re.sub(r"e\+?(-?)0*", r"e\1", repr(value))
    if isinstance(value, str):
        return value
    return {"None": "null", "True": "true", "False": "false"}.get(repr(value), repr(value))

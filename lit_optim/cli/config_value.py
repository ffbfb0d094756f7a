"""A value as a user would write it in a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def as_config_value(value: Any) -> str:
    """A value as in YAML.

    Example:
        >>> as_config_value([1e-08, True, None, "5%", 50.0])
        '[1e-8, true, null, 5%, 50.0]'
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return re.sub(r"e([+-])0*", lambda found: f"e{found[1].strip('+')}", repr(value))
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(as_config_value(item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {as_config_value(item)}' for name, item in value.items())}}}"
    return value if isinstance(value, str) else repr(value)

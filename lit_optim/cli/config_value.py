"""Values of a command line: as they stand in a configuration, and paths that a file can be written to."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lit_optim.errors import ConfigError, wrong


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


def check_writable(option: str, path: str) -> None:
    """Check before any work that a file can be written to a path.

    Raises:
        ConfigError: for an empty path, a folder, a missing folder, and one without the permission to write.
    """
    file = Path(path)
    if not path or file.is_dir():
        raise ConfigError(wrong(option, path, "must be the path of a file"))
    if not file.parent.is_dir():
        raise ConfigError(wrong(option, path, "there is no such folder; make it first"))
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise ConfigError(wrong(option, path, "it cannot be written there; choose another folder"))

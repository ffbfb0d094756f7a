from __future__ import annotations

import re
from typing import Any

from lit_optim import ConfigError
from lit_optim.errors import wrong

RULE = "names a folder under logs/; write a name without '/', e.g. task_name=mine"


def check_task_name(name: Any) -> None:
    """It stays below its folder, and a file system takes it.

    Raises:
        ConfigError: if not.

    Example:
        >>> check_task_name("../x")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: task_name='../x': names a folder under logs/; write a name without '/', \
e.g. task_name=mine
    """
    if not isinstance(name, str) or not re.fullmatch(r"(?!\.)[^/\\?\x00\n]{1,100}", name):
        raise ConfigError(wrong("task_name", name, RULE))

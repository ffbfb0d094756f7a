from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from app.task_name import check_task_name
from lit_optim import ConfigError
from lit_optim.errors import Problems


def check_settings(cfg: Any) -> None:
    """The keys at the top of the config that belong to no group; seed and threads are `reproducible`'s.

    Raises:
        ConfigError: with all that is wrong.
    """
    problems = Problems()
    try:
        check_task_name(cfg.get("task_name"))
    except ConfigError as error:
        problems.take(error)
    mode = cfg.get("monitor_mode")
    if mode not in ("min", "max"):
        problems.add("monitor_mode", mode, "must be min (lower is better) or max")
    path = cfg.get("ckpt_path")
    if path is not None and not (isinstance(path, str) and "\0" not in path and os.path.exists(path)):
        problems.add("ckpt_path", path, "there is no such file")
    check_folder("output_dir", cfg.get("output_dir"), problems)
    problems.raise_if_any()


def check_folder(key: str, path: Any, problems: Problems) -> None:
    """It is a folder, or one that can be made, where this process may write; an address of the network is not tried."""
    if not isinstance(path, str) or not path or "\0" in path:
        problems.add(key, path, "must be the path of a folder")
    elif "://" not in path:
        there = next(folder for folder in [Path(path), *Path(path).absolute().parents] if _exists(folder))
        if not there.is_dir():
            problems.add(key, path, f"{there} is a file, not a folder")
        elif not os.access(there, os.W_OK):
            problems.add(key, path, f"no permission to write into {there}")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long
        return False

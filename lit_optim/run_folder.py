"""Checks the folder of a run, and keeps a second run out of that of one that goes on."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from lit_optim.errors import ConfigError, wrong

LOCK = ".lit_optim.lock"
RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # of a process that a launcher has started
_held: dict[str, int] = {}  # files by key; open until the next claim, or until this process ends, however it ends


def may_be_folder(value: Any) -> bool:
    """Return whether a value is the path of a folder, which need not be there yet.

    Example:
        >>> may_be_folder("optim"), may_be_folder(" "), may_be_folder(__file__), may_be_folder(1)
        (True, False, False, False)
    """
    return isinstance(value, (str, Path)) and bool(str(value).strip()) and not Path(value).is_file()


def claim_folder(folder: str | Path, key: str = "output_dir") -> None:
    """Reserve a folder for the run of this process, until the process ends or claims another folder by the same key.

    Two runs in one folder delete each other's logs and checkpoints. Only the first rank claims. The lock is the
    kernel's: a killed run leaves none. It has no effect on Windows, and where a file system has no locks.

    Args:
        folder: a local one, which is made if it is not there; an URL is not locked.
        key: the config key that names the folder.

    Raises:
        ConfigError: if another process holds the folder.

    Example:
        >>> import tempfile
        >>> claim_folder(tempfile.mkdtemp())
    """
    if "://" in str(folder) or any(os.environ.get(name, "0") != "0" for name in RANKS):
        return
    try:
        import fcntl
    except ImportError:
        return
    os.makedirs(folder, exist_ok=True)
    if key in _held:
        os.close(_held.pop(key))
    file = os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        other = os.read(file, 200).decode(errors="replace") or "unknown"
        os.close(file)
        if not isinstance(error, (BlockingIOError, PermissionError)):
            return  # a file system without locks
        rule = f"another run is writing there (process {other}); wait for its end, or choose another folder"
        raise ConfigError(wrong(key, str(folder), rule)) from None
    os.ftruncate(file, 0)
    os.write(file, f"{os.getpid()} on {socket.gethostname()}".encode())
    _held[key] = file

"""Write a file beside its target and rename it: after a kill or an error the target is the old file or the new one."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from lit_optim.errors import ConfigError

SUFFIX = ".ckpt.tmp"


def write_atomically(path: str | os.PathLike[str], write: Callable[[IO[bytes]], None]) -> None:
    """Write a file in the folder of ``path``, flush it to the disk, and rename it to ``path``.

    Args:
        path: of the target, which is replaced; its folder is made.
        write: called with the new file.

    Raises:
        ConfigError: where the disk is full or the folder cannot be written; the target is what it was before.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomically(f"{folder}/x", lambda file: file.write(b"whole"))
        ...     os.listdir(folder)
        ['x']
    """
    target = Path(path).absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target.parent)
        with _temporary(target.parent) as (file, temporary):
            write(file)
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(target)
        _sync_folder(target.parent)
    except Exception as error:
        cause = _os_error(error)
        if cause is None:
            raise
        there = "; the file that was there is unchanged" if os.path.exists(target) else ""
        advice = "free space there, or choose another dirpath"
        rule = f"{target.name} cannot be written: {cause.strerror or cause}{there}; {advice}"
        raise ConfigError(f"dirpath={str(target.parent)!r}: {rule}") from error


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote; one that still writes holds a lock."""
    for path in folder.glob(f".*{SUFFIX}"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            if _lock(file):
                path.unlink()


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """Open a new file that is removed unless it has been renamed within the context."""
    path = folder / f".{secrets.token_hex(8)}{SUFFIX}"
    try:
        with path.open("xb") as file:
            _lock(file)
            yield file, path
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _lock(file: IO[bytes]) -> bool:
    """Lock a file until it is closed, or its process ends; False where another process has locked it."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):  # also: a file system or a platform without locks
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Flush the rename to the disk, where a folder can be flushed."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _os_error(error: BaseException | None) -> OSError | None:
    """Return the operating system's error behind one of torch's, which raises its own while it handles that."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error

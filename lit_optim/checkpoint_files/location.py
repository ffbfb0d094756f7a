"""Ask a file system about a path or URL, as Lightning does: through fsspec."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from lit_optim.checkpoint_files.verify import outline, resume_problem

Read = TypeVar("Read")
SHARDED = (".metadata", "meta.pt")  # torch's file of a sharded checkpoint, and Lightning's, which is written last
KINDS: dict[str, Callable[[int], bool]] = {
    "a fifo": stat.S_ISFIFO,
    "a device": lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode),
    "a socket": stat.S_ISSOCK,
}


class Location(NamedTuple):
    """A checkpoint on its file system; ``path`` is without the protocol."""

    fs: Any
    path: str

    @property
    def is_local(self) -> bool:
        """Return whether it lies on a file system of this machine."""
        return isinstance(self.fs, LocalFileSystem)

    @property
    def url(self) -> str:
        """Return what Lightning opens it by."""
        return self.path if self.is_local else str(self.fs.unstrip_protocol(self.path))

    def exists(self) -> bool:
        """Return whether there is a file or folder."""
        return bool(self.fs.exists(self.path))

    def problem(self) -> str:
        """Return why no run can be resumed from it, or an empty string."""
        try:
            return self._problem() if self.exists() else "there is no such file"
        except OSError as error:
            return f"it cannot be read: {error.strerror or error}"

    def _problem(self) -> str:
        if self.is_local:
            mode = os.stat(self.path).st_mode
            for kind, is_kind in KINDS.items():
                if is_kind(mode):
                    return f"{kind}, and not a file"
        if not self.fs.isdir(self.path):
            return self._read(resume_problem)
        if missing := [name for name in SHARDED if not self.fs.exists(f"{self.path}/{name}")]:
            return f"a folder without the {' and the '.join(missing)} of a sharded checkpoint; give a file in it"
        return self._read(functools.partial(resume_problem, sharded=True), "/meta.pt")

    def outline(self) -> Any:
        """Return what it holds, without the data of tensors."""
        return self._read(outline, "/meta.pt" if self.fs.isdir(self.path) else "")

    def _read(self, read: Callable[[Any], Read], name: str = "") -> Read:
        with self.fs.open(f"{self.path}{name}", "rb") as file:
            return read(file)


def location_of(path: Any) -> Location:
    """Return where a path or URL is.

    Example:
        >>> location_of("file:///tmp/x.ckpt").path, location_of("memory://x.ckpt").is_local
        ('/tmp/x.ckpt', False)
    """
    return Location(*url_to_fs(os.fspath(path)))


def local_path(path: Any) -> str | None:
    """Return the path of a local file, whose URL may be given, or None for a file elsewhere."""
    found = location_of(path)
    return found.path if found.is_local else None


def newest_first(folders: Iterable[str], extensions: Iterable[str]) -> list[Location]:
    """Return the checkpoints in some folders, and in folders within, the one that was written last first.

    Args:
        folders: paths or URLs; one that does not exist has none.
        extensions: how their names end. A sharded checkpoint is a folder with such a name.
    """
    endings, times = tuple(extensions), dict[Location, Any]()
    for folder in folders:
        fs, root = location_of(folder)
        for file in fs.find(root) if fs.isdir(root) else ():
            parent = file.rpartition("/")[0]
            path = parent if parent.endswith(endings) and parent != root else file
            if path.endswith(endings) and not path.rpartition("/")[2].startswith(".") and fs.exists(file):
                key, written = Location(fs, path), fs.modified(file)
                times[key] = max(written, times.get(key, written))
    return sorted(times, key=lambda found: (times[found], found.path), reverse=True)

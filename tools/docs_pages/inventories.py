"""Write inventories for intersphinx from short lists, so that the site builds without a network.

``docs/inventories/torch.txt`` lists what our pages refer to, one a line, under all names that annotations have for it:
``py:class Tensor torch.Tensor tensors.html#torch.Tensor``.
"""

from __future__ import annotations

import zlib
from pathlib import Path

HEAD = "# Sphinx inventory version 2\n# Project: {name}\n# Version: \n# The remainder of this file is compressed using zlib.\n"


def inventory(name: str, text: str) -> bytes:
    r"""Encode a list of names in the format of ``objects.inv``.

    Example:
        >>> zlib.decompress(inventory("torch", "py:class T torch.Tensor t.html#x").split(b"zlib.\n")[1])
        b'T py:class 1 t.html#x -\ntorch.Tensor py:class 1 t.html#x -\n'
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    body = "".join(f"{name} {role} 1 {page} -\n" for role, *names, page in lines for name in names)
    return HEAD.format(name=name).encode() + zlib.compress(body.encode())


def write_inventories(source: Path, target: Path) -> dict[str, Path]:
    """Write one ``.inv`` for each list, and return their places by name.

    Args:
        source: folder of the lists.
        target: folder of what is written.
    """
    target.mkdir(parents=True, exist_ok=True)
    found = {}
    for file in sorted(source.glob("*.txt")):
        found[file.stem] = target / f"{file.stem}.inv"
        found[file.stem].write_bytes(inventory(file.stem, file.read_text(encoding="utf-8")))
    return found

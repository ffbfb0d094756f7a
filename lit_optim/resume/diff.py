"""Show once what a checkpoint had, what the configuration says, and what a resumed run uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

MOST = 18  # rows that are shown
WIDTH = 34
TITLE = "ckpt_path: this run is not the one that wrote the checkpoint"


class Difference(NamedTuple):
    """One row: what it is about, and its value in the checkpoint, in the configuration, and in the run."""

    what: str
    checkpoint: Any
    config: Any
    used: Any


def diff_table(rows: Iterable[Difference], notes: Iterable[str] = ()) -> str:
    """Return the table of the rows whose values are not all equal, with notes below; '' where there are none.

    Example:
        >>> print(diff_table([Difference("optimizer.lr", 0.1, 0.2, 0.1)], ["resume=lr_from_config takes the lr of it"]))
        ckpt_path: this run is not the one that wrote the checkpoint
                      checkpoint  config  used
        optimizer.lr  0.1         0.2     0.1
        resume=lr_from_config takes the lr of it
    """
    found = [row for row in rows if not (_text(row.checkpoint) == _text(row.config) == _text(row.used))]
    texts = [*notes]
    if not found and not texts:
        return ""
    lines = [("", "checkpoint", "config", "used"), *((row.what, *map(_text, row[1:])) for row in found[:MOST])]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    more = [f"and {len(found) - MOST} more"] if len(found) > MOST else []
    return "\n".join([TITLE, *(table if found else []), *more, *texts])


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_text, value)) + "]"
    text = str(dict(value)) if isinstance(value, Mapping) else str(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."

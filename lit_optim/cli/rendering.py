"""Prints what a verb found: tables of rich on a terminal, aligned text in a pipe, or JSON."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

MIN_LAST_COLUMN = 36  # characters that read well; with less room, the last column goes under the others
NARROW = 60  # characters of a terminal's line, below which a table with a head becomes a list


class Table(NamedTuple):
    """Rows of text, under a head if there is one; on a terminal a column that is empty in all rows is left out."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Heading(str):
    """A line in bold."""


class Code(str):
    """Lines to copy, which are never broken."""


Block = Table | str


def show(blocks: Sequence[Block], *, data: Any = None, as_json: bool = False) -> None:
    """Print blocks to standard output.

    Args:
        blocks: what a person reads.
        data: the same for programs.
        as_json: whether to print ``data`` instead.
    """
    if as_json:
        print(json.dumps(data, indent=2))
    elif on_terminal() and find_spec("rich") is not None:
        _print_with_rich(blocks)
    else:
        print("\n".join(text_lines(blocks, shutil.get_terminal_size().columns if on_terminal() else None)))
    sys.stdout.flush()  # a closed pipe is noticed here, and not when the interpreter ends


def on_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def text_lines(blocks: Sequence[Block], width: int | None = None) -> Iterator[str]:
    """Render blocks as plain text, line by line.

    Args:
        blocks: what to show.
        width: characters of a terminal's line; None in a pipe, where no line is broken.

    Example:
        >>> list(text_lines([Table(["name", "what"], [["sgd", "plain"], ["adamw", "a b c"]])]))
        ['name   what', 'sgd    plain', 'adamw  a b c']
    """
    for block in blocks:
        if isinstance(block, Table):
            if _as_records(block, width):
                yield from _records(block, width)
            else:
                yield from aligned([*([block.head] if block.head else []), *block.rows], width)
        elif isinstance(block, Code):
            yield from (f"  {line}".rstrip() for line in block.split("\n"))
        else:
            yield from _wrap(block, width)


def aligned(rows: Sequence[Sequence[str]], width: int | None = None) -> Iterator[str]:
    """Align rows in columns; on a terminal the last column wraps in its place, or goes under the others.

    Example:
        >>> list(aligned([["lr", "how fast the weights move"]], width=26))
        ['lr', '    how fast the weights', '    move']
    """
    sizes = _widths(rows)[:-1]
    left, stacked = sum(sizes) + 2 * len(sizes), is_crowded(rows, width)
    indent = 4 if stacked else left
    for *others, last in rows:
        lead = "".join(f"{cell:<{size}}  " for cell, size in zip(others, sizes, strict=True))
        parts = _wrap(last, width and max(width - indent, 1))
        yield from _wrap(lead.rstrip(), width) if stacked else [(lead + parts.pop(0)).rstrip()]
        yield from (" " * indent + part for part in parts if part)


def is_crowded(rows: Sequence[Sequence[str]], width: int | None) -> bool:
    """Return whether the other columns leave too little width for the last one."""
    *others, last = _widths(rows)
    return width is not None and width - _lead([*others, last]) < min(MIN_LAST_COLUMN, last)


def _as_records(table: Table, width: int | None) -> bool:
    """Return whether the columns of a table do not fit beside each other at all."""
    if not table.head or width is None:
        return False
    rows = [table.head, *table.rows]
    return is_crowded(rows, width) and (width < NARROW or _lead(_widths(rows)) > width)


def _lead(widths: Sequence[int]) -> int:
    """Return the characters before the last column."""
    return sum(widths[:-1]) + 2 * (len(widths) - 1)


def _records(table: Table, width: int | None) -> Iterator[str]:
    """Render each row of a table that is too wide as its first cell, and a line for each other cell."""
    for row in table.rows:
        yield from _wrap(row[0], width)
        for name, cell in zip(table.head[1:], row[1:], strict=True):
            lines = _wrap(f"{name}: {cell}", width and max(width - 4, 1)) if cell else []
            yield from (f"    {line}" for line in lines)


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _wrap(text: str, width: int | None) -> list[str]:
    return [text] if width is None else textwrap.wrap(text, width) or [""]


def _print_with_rich(blocks: Sequence[Block]) -> None:
    import rich.box
    import rich.table
    from rich.console import Console
    from rich.text import Text

    console = Console(color_system=None) if os.environ.get("NO_COLOR") else Console()
    for block in blocks:
        if isinstance(block, Table) and block.head and not is_crowded([block.head, *block.rows], console.width):
            used = [i for i in range(len(block.head)) if i == 0 or any(row[i] for row in block.rows)]
            drawn = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
            for i in used:
                drawn.add_column(Text(block.head[i]), overflow="fold", no_wrap=i != used[-1])
            for row in block.rows:
                drawn.add_row(*(Text(row[i]) for i in used))
            console.print(drawn)
            continue
        wide = isinstance(block, Table) and block.head and not _as_records(block, console.width)
        bold = 2 if wide else 1 if isinstance(block, Heading) else 0  # lines
        for i, line in enumerate(text_lines([block], console.width)):
            console.print(Text(line, style="bold" if i < bold else ""), soft_wrap=True)

"""How a verb's result is shown: tables of rich on a terminal, aligned text in a pipe, or JSON."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

ROOM = 36  # characters of a last column that reads well; with less, it goes under the others


@dataclass(frozen=True)
class Table:
    """Rows of text, under a head if there is one; on a terminal a column that is empty in all rows is left out."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Heading:
    """A line that stands out."""

    text: str


@dataclass(frozen=True)
class Code:
    """Lines to copy, which are never broken."""

    text: str


Block = Table | Heading | Code | str


def show(blocks: Sequence[Block], *, data: Any = None, as_json: bool = False) -> None:
    """Prints a page to standard output.

    Args:
        blocks: the page for people.
        data: the same for programs.
        as_json: whether a program asks.
    """
    if as_json:
        print(json.dumps(data, indent=2))
    elif not on_terminal():
        print("\n".join(plain(blocks)))
    elif find_spec("rich") is None:
        print("\n".join(plain(blocks, shutil.get_terminal_size().columns)))
    else:
        _draw(blocks)
    sys.stdout.flush()  # a closed pipe is noticed here, and not when the interpreter ends


def on_terminal() -> bool:
    """Whether a person reads along."""
    return sys.stdout.isatty()


def plain(blocks: Sequence[Block], width: int | None = None) -> Iterator[str]:
    """The lines of a page without any drawing.

    Args:
        blocks: what to show.
        width: characters of a terminal's line; None in a pipe, where no line is broken.

    Example:
        >>> list(plain([Table(["name", "what"], [["sgd", "plain"], ["adamw", "a b c"]])]))
        ['name   what', 'sgd    plain', 'adamw  a b c']
    """
    for block in blocks:
        if isinstance(block, Table):
            yield from aligned([*([block.head] if block.head else []), *block.rows], width)
        elif isinstance(block, Code):
            yield from (f"  {line}".rstrip() for line in block.text.split("\n"))
        else:
            text = block.text if isinstance(block, Heading) else block
            yield from [text] if width is None else textwrap.wrap(text, width) or [""]


def aligned(rows: Sequence[Sequence[str]], width: int | None = None) -> Iterator[str]:
    """Rows in columns; on a terminal the last one is broken where a line ends, or goes under the others.

    Example:
        >>> list(aligned([["lr", "how fast the weights move"]], width=26))
        ['lr', '    how fast the weights', '    move']
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)][:-1]
    left = sum(widths) + 2 * len(widths)
    stacked = crowded(rows, width)
    indent = 4 if stacked else left
    for row in rows:
        lead = "".join(f"{cell:<{size}}  " for cell, size in zip(row, widths, strict=False))
        parts = textwrap.wrap(row[-1], max(width - indent, 1)) if width else [row[-1]]
        if stacked:
            lead = lead.rstrip()
            yield from [lead] if width is None or len(lead) <= width else textwrap.wrap(lead, width)
        else:
            yield (lead + "".join(parts[:1])).rstrip()
        yield from (" " * indent + part for part in parts[0 if stacked else 1 :])


def crowded(rows: Sequence[Sequence[str]], width: int | None) -> bool:
    """Whether the other columns leave too little of a line for the last one."""
    others = [max(len(cell) for cell in column) + 2 for column in zip(*rows, strict=True)][:-1]
    longest = max(len(row[-1]) for row in rows)
    return width is not None and width - sum(others) < min(ROOM, longest)


def _draw(blocks: Sequence[Block]) -> None:
    import rich.box
    import rich.table
    from rich.console import Console
    from rich.text import Text

    console = Console(color_system=None) if os.environ.get("NO_COLOR") else Console()
    for block in blocks:
        if isinstance(block, Table) and block.head and not crowded([block.head, *block.rows], console.width):
            drawn = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
            used = [i for i in range(len(block.head)) if i == 0 or any(row[i] for row in block.rows)]
            for i in used:
                drawn.add_column(Text(block.head[i]), overflow="fold", no_wrap=i != used[-1])
            for row in block.rows:
                drawn.add_row(*(Text(row[i]) for i in used))
            console.print(drawn)
            continue
        marked = 1 if isinstance(block, Heading) else 2 if isinstance(block, Table) and block.head else 0
        for i, line in enumerate(plain([block], console.width)):
            console.print(Text(line, style="bold" if i < marked else ""), soft_wrap=True)

"""Lay out tables, code and texts of any characters as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def code(text: str) -> str:
    r"""Write a text in code type, in a cell of a table too.

    Example:
        >>> code("int | None"), code("")
        ('`int \\| None`', '')
    """
    return f"`{text}`".replace("|", "\\|") if text else ""


def cell(text: str) -> str:
    r"""Escape what Markdown would read as markup in a cell of a table.

    Example:
        >>> cell("a | b * c_d <x>")
        'a \\| b \\* c\\_d \\<x\\>'
    """
    return "".join(f"\\{letter}" if letter in "\\|*_<>[]`$#{}" else letter for letter in text).replace("\n", " ")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out rows of finished cells as a table; nothing where there are no rows.

    Example:
        >>> print(table(["key", "value"], [["a", "1"]]))
        | key | value |
        | --- | --- |
        | a | 1 |
        <BLANKLINE>
    """
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines, ""])


def fenced(text: str, language: str = "text") -> str:
    """Write a block of code.

    Example:
        >>> fenced("a = 1", "python")
        '```python\\na = 1\\n```\\n'
    """
    return f"```{language}\n{text.rstrip()}\n```\n"


def toctree(entries: Iterable[str]) -> str:
    """Write a table of contents that only the side bar shows."""
    return "\n".join(["```{toctree}", ":hidden:", "", *entries, "```", ""])


def printable(text: str, most: int = 100) -> str:
    r"""Shorten a text, and write out what cannot be printed.

    Example:
        >>> printable("x" * 200, most=10), printable("a\u202eb")
        ('xxxxxxxxx…', 'a\\u202eb')
    """
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"

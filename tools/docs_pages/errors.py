"""Write the page of errors from the table that the tests run: what is typed, the message, its cause and its fix."""

from __future__ import annotations

import re
from collections.abc import Iterable

from docs_pages.error_kinds import KINDS, Kind
from docs_pages.markdown import printable

PAGE = "errors.md"
INTRO = """# Errors

A message names the key as it is typed on the command line, its value, the rule, and often what to write. All problems of a
configuration are listed at once, before data is loaded. Paste a part of a message into the search box to find its section.
Each example is typed behind `python train.py`; the tests run them all.

"""


def pages() -> dict[str, str]:
    """Return the page."""
    from _support.bad_command_lines import AREAS, CONTRACT  # of tests/, where only the docs and the tests look

    whole = dict(CONTRACT)
    rows = {
        str(typed if isinstance(typed, str) else " ".join(typed)): whole.get(typed, message)
        for typed, message, *_ in [*CONTRACT, *(row for area in AREAS for row in area)]
    }
    return {PAGE: INTRO + "\n".join(map(_section, *zip(*by_kind(rows.items()).items(), strict=True)))}


def by_kind(rows: Iterable[tuple[str, str]]) -> dict[Kind, list[tuple[str, str]]]:
    """Sort the rows by the kind of their message; those that name no more than a key have no message to explain.

    Args:
        rows: what is typed, and a part of the message.

    Raises:
        ValueError: for a message of no kind.

    Example:
        >>> [(kind.title, rows) for kind, rows in by_kind([("seed=-1", "seed=-1: must be a whole number"), ("=3", "=3")]).items()]
        [('must be a whole number', [('seed=-1', 'seed=-1: must be a whole number')])]
    """
    found: dict[Kind, list[tuple[str, str]]] = {}
    for typed, message in rows:
        if " " not in message.replace(typed, "").strip(": "):
            continue
        kind = next((kind for kind in KINDS if re.search(kind.pattern, message)), None)
        if kind is None:
            raise ValueError(f"no cause and fix of {message!r}; add a line to KINDS in tools/docs_pages/error_kinds.py")
        found.setdefault(kind, []).append((typed, message))
    return {kind: found[kind] for kind in KINDS if kind in found}


def _section(kind: Kind, rows: list[tuple[str, str]]) -> str:
    examples = "\n".join(f"{printable(typed, 90)}\n    {printable(message, 200)}" for typed, message in rows)
    text = f"## {kind.title}\n\n**Cause:** {kind.cause}\n\n**Fix:** {kind.fix}\n"
    return f"{text}\n::::{{container}} errors\n```text\n{examples}\n```\n::::\n"

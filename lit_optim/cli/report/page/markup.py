"""Writes HTML and SVG; text is escaped wherever it comes from."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence

NONE, MINUS = "\u2013", "\u2212"  # a number that is not known; the sign of numbers
MEASURED = "measured"  # class of all elements with times or memory, which no other run repeats
WORDY = 24  # characters of a cell that gets a wide column
VOID = frozenset(("meta", "link", "br"))  # elements without an end tag
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")  # what HTML and UTF-8 cannot hold


class Markup(str):
    """Text that is markup already; every other text is escaped where it is put into an element."""

    __slots__ = ()


def escaped(text: object) -> Markup:
    """Return text as markup that shows it.

    Example:
        >>> escaped("<script>")
        '&lt;script&gt;'
    """
    return text if isinstance(text, Markup) else Markup(html.escape(CONTROLS.sub("\ufffd", str(text))))


def concat(parts: Iterable[object]) -> Markup:
    """Join parts to one markup."""
    return Markup("".join(map(escaped, parts)))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """Write an element.

    Args:
        name: of the element.
        children: markup, or text, which is escaped.
        attributes: an underscore at the end is left out, others become dashes; None leaves an attribute out, and a
            float has at most two decimals: it is a place in a picture.

    Example:
        >>> tag("p", "a < b", class_="note")
        '<p class="note">a &lt; b</p>'
    """
    parts = [
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(v)}"' for key, v in attributes.items() if v is not None
    ]
    head = f"<{name}{''.join(parts)}>"
    return Markup(head if name in VOID else f"{head}{concat(children)}</{name}>")


def place(value: float) -> str:
    """Write a place in a picture, to two decimals.

    Example:
        >>> place(3.0), place(2.125)
        ('3', '2.12')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _attribute(value: object) -> str:
    return place(value) if isinstance(value, float) else escaped(value)


def html_table(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    numeric: Iterable[int] = (),
    measured: Iterable[int] = (),
) -> Markup:
    """Write a table that scrolls within its box; the first cell of a row is its header.

    Args:
        caption: what the table holds.
        head: of the columns.
        rows: of cells.
        numeric: columns that are aligned at the right.
        measured: numeric columns that are times or memory, which no other run repeats.
    """
    right, unlike = frozenset(numeric), frozenset(measured)
    body = concat(
        tag("tr", *(_cell(cell, i, i in right, i in unlike) for i, cell in enumerate(row))) for row in rows
    )  # fmt: skip
    heads = concat(tag("th", text, scope="col", class_="n" if i in right else None) for i, text in enumerate(head))
    inside = tag("table", tag("caption", tag("span", caption)), tag("thead", tag("tr", heads)), tag("tbody", body))
    return tag("div", inside, class_="box", tabindex="0", role="region", aria_label=caption)


def _cell(cell: object, column: int, right: bool, measured: bool) -> Markup:
    if column == 0:
        return tag("th", cell, scope="row")
    number = f"n {MEASURED}" if measured else "n"
    return tag("td", cell, class_=number if right else "t" if len(str(cell)) > WORDY else None)


def figure_of(value: float, digits: int = 4) -> str:
    """Write a number for a reader.

    Example:
        >>> figure_of(12345.6), figure_of(0.012345), figure_of(float("inf")), figure_of(-0.25) == MINUS + "0.25"
        ('12,346', '0.01235', '∞', True)
    """
    if math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    value += 0.0  # no sign of a zero
    size = abs(value)
    if size >= 1e7 or 0 < size < 1e-3:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        text = f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"
    else:
        text = f"{value:,.0f}" if size >= 10 ** (digits - 1) else f"{value:.{digits}g}"
    return text.replace("-", MINUS)

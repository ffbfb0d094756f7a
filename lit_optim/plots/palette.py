"""Name the colors of every picture and page, for light and for dark backgrounds."""

from __future__ import annotations

from typing import NamedTuple


class Palette(NamedTuple):
    """The colors of one theme.

    Args:
        lines: in the order of Okabe and Ito's blue, vermilion, green, purple, orange and black, made lighter or darker
            until each has a contrast of 3 to everything behind it and differs from all others for colour-blind eyes.
        ink: of text.
        grid: of grid lines.
        background: of the picture.
        bands: the two tints that phases have by turns.
    """

    lines: tuple[str, ...]
    ink: str
    grid: str
    background: str
    bands: tuple[str, str]


LIGHT = Palette(
    ("#0458b8", "#9a3b00", "#00945c", "#c94f9f", "#8f8410", "#1c1c1c"),
    ink="#333b44",
    grid="#c3ccd6",
    background="#ffffff",
    bands=("#f0f4f8", "#e1e9f1"),
)
DARK = Palette(
    ("#56b4e9", "#f0824a", "#2ec49a", "#e08cc0", "#e6b800", "#e4e4e4"),
    ink="#d5dbe2",
    grid="#46525f",
    background="#14181d",
    bands=("#1b2129", "#26303b"),
)


def css_variables(palette: Palette) -> str:
    """Write a palette as custom properties of CSS.

    Example:
        >>> css_variables(LIGHT)[:42]
        '--line0: #0458b8; --line1: #9a3b00; --line'
    """
    named = {f"line{i}": color for i, color in enumerate(palette.lines)}
    named |= {"ink": palette.ink, "grid": palette.grid, "background": palette.background}
    named |= {f"band{i}": color for i, color in enumerate(palette.bands)}
    return " ".join(f"--{name}: {color};" for name, color in named.items())

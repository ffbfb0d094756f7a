"""Draws a curve as one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=+*%#"  # where the output cannot take blocks


def sparkline(values: Sequence[float], marks: str = BLOCKS) -> str:
    """Draw one mark a value, from 0 up, or from the lowest where all lie in the upper half.

    Example:
        >>> sparkline([0.0, 0.5, 1.0, 0.25]), sparkline([0.1, 0.1], ASCII), sparkline([0.85, 0.95])
        ('▁▅█▃', '##', '▁█')
    """
    low, high = min(values), max(values)
    if low == high:
        return marks[-1 if high else 0] * len(values)
    if 0 <= low <= high / 2:
        low = 0.0
    places = [math.floor((value - low) / (high - low) * len(marks)) for value in values]
    return "".join(marks[min(place, len(marks) - 1)] for place in places)


def columns(total_steps: int, width: int) -> list[int]:
    """Pick the optimizer steps that a line of some width shows: the first, the last, and evenly between.

    Example:
        >>> columns(100, 4), columns(2, 4)
        ([0, 33, 66, 99], [0, 1])
    """
    if total_steps <= width:
        return list(range(total_steps))
    return [i * (total_steps - 1) // (width - 1) for i in range(width)]

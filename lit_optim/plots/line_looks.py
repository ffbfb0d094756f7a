"""Choose how lines look: the color says the schedule, the dashes say the highest value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lit_optim.plots.palette import LIGHT

DASHES: tuple[tuple[float, ...], ...] = ((), (6, 2), (2, 1.5), (8, 2, 2, 2), (4, 1, 1, 1, 1, 1), (1, 2))
FAR_APART = 5.0  # highest values that differ by more would be squashed flat on a linear axis


def line_looks(series: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Number the color and the dashes of each line.

    Lines of one form have one color, lines of one highest value have the same dashes. Where all have the same highest
    value, each form has its own dashes too, so that a print without colors can be read.

    Args:
        series: the values of each line.

    Example:
        >>> line_looks([[1.0, 0.5], [0.1, 0.05], [1.0, 0.0], [0.1, 0.0]])
        [(0, 0), (0, 1), (1, 0), (1, 1)]
        >>> line_looks([[1.0, 0.5], [1.0, 0.0]])
        [(0, 0), (1, 1)]
    """
    peaks = [peak(values) for values in series]
    forms = _numbered([tuple(f"{v / top if top else v:.6f}" for v in s) for s, top in zip(series, peaks, strict=True)])
    levels = _numbered([f"{top:.6g}" for top in peaks])
    if not any(levels):
        return [(form % len(LIGHT.lines), (form + form // len(LIGHT.lines)) % len(DASHES)) for form in forms]
    more = len(DASHES)  # with more levels than dashes the color changes too
    return [((f + level // more) % len(LIGHT.lines), level % more) for f, level in zip(forms, levels, strict=True)]


def peak(values: Sequence[float]) -> float:
    """Return the finite value that is farthest from 0; 0 where there is none."""
    return max((abs(value) for value in values if math.isfinite(value)), default=0.0)


def are_far_apart(series: Sequence[Sequence[float]]) -> bool:
    """Return whether lines need a logarithmic axis to be seen beside each other; lines at 0 do not count.

    Example:
        >>> are_far_apart([[0.1, 0.0], [0.01, 0.0]]), are_far_apart([[0.1, 0.0], [0.0, 0.0]])
        (True, False)
    """
    peaks = [top for top in map(peak, series) if top > 0]
    return bool(peaks) and max(peaks) / min(peaks) > FAR_APART


def _numbered(keys: Sequence[Any]) -> list[int]:
    order = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return [order[key] for key in keys]

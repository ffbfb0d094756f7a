"""Picks few steps that show a whole curve: its extrema, the edges of its phases, and what lies between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lit_optim.preview.curves import Curve

MOST = 60_000  # steps that are looked at; of a longer run every second, third, ...
FINER = 1000  # by which each look at the top and the bottom is finer
PIECES = 600  # about as many as a picture has pixels


class Points(NamedTuple):
    """Optimizer steps of a curve, in order, and its values there; its extrema are among them."""

    steps: list[int]
    values: list[float]


def downsample(curve: Curve, total_steps: int, most: int = MOST) -> Points:
    """Pick the steps of a run that show a curve.

    Args:
        curve: what to show.
        total_steps: optimizer steps of the run.
        most: optimizer steps to look at.
    """
    stride = -(-total_steps // most)
    looked = range(0, total_steps, stride)
    factor = curve.driven.factor
    factors = [factor(step) for step in looked]
    kept = {looked[i] for i in extrema(factors, PIECES)} | {0, total_steps - 1}
    for phase in curve.driven.plan.phases:
        kept |= {step for step in (phase.start - 1, phase.start) if 0 <= step < total_steps}
    for pick in (max, min) if stride > 1 else ():  # which may lie between the steps that were looked at
        at, width = looked[factors.index(pick(factors))], stride
        while width:
            near = range(max(at - width, 0), min(at + width + 1, total_steps), max(width // FINER, 1))
            at, width = pick(near, key=factor), width // FINER
        kept.add(at)
    steps = sorted(kept)
    return Points(steps, [curve.initial * factor(step) for step in steps])


def extrema(values: Sequence[float], pieces: int) -> list[int]:
    """Find where each piece of a sequence begins, and its lowest and highest value; all places of a short one.

    Example:
        >>> extrema([0, 3, 1, 2, 9, 2, 2, 2, 2, 0, 1, 1, 1], 2)
        [0, 4, 7, 9]
    """
    size = -(-len(values) // pieces)
    if size <= 3:
        return list(range(len(values)))
    kept = set()
    for start in range(0, len(values), size):
        piece = values[start : start + size]
        kept |= {start, start + piece.index(min(piece)), start + piece.index(max(piece))}
    return sorted(kept)

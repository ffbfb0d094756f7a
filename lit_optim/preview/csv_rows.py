"""Writes a preview as CSV: one row per optimizer step, one column per hyper-parameter and group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lit_optim.preview.curves import Preview


def rows(previews: Sequence[Preview], every: int = 1) -> Iterator[list[Any]]:
    """List the rows, the header first; of several configurations the columns begin with their labels.

    Args:
        previews: configurations; where one run is shorter, the rest of its columns is empty.
        every: optimizer steps from one row to the next.

    Example:
        >>> from lit_optim.config.read.command_line import choices
        >>> from lit_optim.preview.curves import preview
        >>> words = ["optimizer=sgd", "scheduler=linear", "total_steps=2,4"]
        >>> for row in rows([preview(choice) for choice in choices(words)], every=2): print(row)
        ['step', 'total_steps=2:lr/default', 'total_steps=4:lr/default']
        [0, 0.01, 0.01]
        [2, '', 0.005]
    """
    columns = [(preview, curve) for preview in previews for curve in preview.curves]
    yield ["step", *(f"{p.label}:{curve.name}" if len(previews) > 1 else curve.name for p, curve in columns)]
    driven = {curve.driven for _, curve in columns}  # groups share them
    for step in range(0, max(preview.total_steps for preview in previews), every):
        factors = {value: value.factor(step) for value in driven}
        yield [step, *(c.initial * factors[c.driven] if step < p.total_steps else "" for p, c in columns)]

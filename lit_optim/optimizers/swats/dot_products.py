"""Hold the dot products of one step of Adam; the host reads those of a GPU one step later."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Row(NamedTuple):
    """Describes the step of one param group.

    Args:
        pp: dot product of the step with itself.
        pg: of the step with the gradient.
        lr: absolute learning rate of the step.
        active: whether the group has taken the step.
    """

    pp: float = 0.0
    pg: float = 0.0
    lr: float = 0.0
    active: bool = False


def sum_over_groups(rows: Sequence[Row]) -> tuple[float, float]:
    """Sum the dot products over groups; p.g is weighted by lr / largest lr.

    Example:
        >>> sum_over_groups([Row(4.0, -2.0, 0.1, True), Row(1.0, -1.0, 0.05, True)])
        (5.0, -2.5)
    """
    largest = max(row.lr for row in rows) or 1.0
    return sum(row.pp for row in rows), sum(row.pg * (row.lr / largest) for row in rows)


class DotProducts:
    """Holds the rows of all param groups; a GPU copies them to the host without a wait.

    Args:
        totals: p.p and p.g of each group, in 64 bits.
        lrs: absolute learning rates of the groups.
        active: indices of the groups that have taken the step.

    Example:
        >>> DotProducts(torch.tensor([[4.0, -2.0]]), [0.1], {0}).rows()
        [Row(pp=4.0, pg=-2.0, lr=0.1, active=True)]
    """

    def __init__(self, totals: Tensor, lrs: Sequence[float], active: Collection[int]) -> None:
        self.is_ready = not totals.is_cuda
        self.totals, self.lrs, self.active = totals, lrs, active
        if totals.is_cuda:
            self.totals = torch.empty(totals.shape, dtype=totals.dtype, pin_memory=True)
            with torch.cuda.device(totals.device):  # which need not be the current one
                self.totals.copy_(totals, non_blocking=True)
                self.arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
                self.arrived.record()

    def rows(self) -> list[Row]:
        """Return one row per group; wait until a GPU has finished their step."""
        if not self.is_ready:
            self.arrived.synchronize()
        found = zip(self.totals.tolist(), self.lrs, strict=True)
        return [Row(pp, pg, lr, i in self.active) for i, ((pp, pg), lr) in enumerate(found)]

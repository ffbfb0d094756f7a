"""The dot products of a step, on their way from a GPU to the host, which reads them one step later."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Row(NamedTuple):
    """What a step of Adam was in one param group.

    Args:
        pp: dot product of the step with itself.
        pg: of the step with the gradient.
        lr: absolute learning rate that it was taken with.
        active: whether the group has taken it.
    """

    pp: float
    pg: float
    lr: float
    active: bool


def in_one(rows: Sequence[Row]) -> tuple[float, float]:
    """p.p and p.S g over several groups, with S the lr of a group relative to the largest.

    Example:
        >>> in_one([Row(4.0, -2.0, 0.1, True), Row(1.0, -1.0, 0.05, True)])
        (5.0, -2.5)
    """
    largest = max(row.lr for row in rows) or 1.0
    return sum(row.pp for row in rows), sum(row.pg * (row.lr / largest) for row in rows)


class DotProducts:
    """p.p and p.g of each param group in one step.

    Args:
        totals: a row for each group, in 64 bits.
        lrs: absolute learning rates of the groups.
        active: places of the groups that have taken the step.

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

    @classmethod
    def of_groups(cls, groups: Iterable[Mapping[str, Any]]) -> DotProducts:
        """Those that a checkpoint holds, under ``unseen`` in each group."""
        rows = [Row(*group["unseen"]) if group["unseen"] else cls.without_step(group) for group in groups]
        totals = torch.tensor([row[:2] for row in rows], dtype=torch.float64)
        return cls(totals, [row.lr for row in rows], {i for i, row in enumerate(rows) if row.active})

    @staticmethod
    def without_step(group: Mapping[str, Any]) -> Row:
        """The row of a group that has not taken the step."""
        return Row(0.0, 0.0, float(group["lr"]), False)

    def rows(self) -> list[Row]:
        """A row a group; waits until a GPU has finished the step that they are of, the one before the present."""
        if not self.is_ready:
            self.arrived.synchronize()
        found = zip(self.totals.tolist(), self.lrs, strict=True)
        return [Row(pp, pg, lr, i in self.active) for i, ((pp, pg), lr) in enumerate(found)]

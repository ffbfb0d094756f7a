"""Sums over all elements of all parameters, wherever they lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

Part = tuple[int, Tensor, tuple[Tensor, ...]]


def over_all_ranks(
    parts: Sequence[Part], places: int, order: Iterable[Tensor] = (), *, replicated: bool = False
) -> list[list[float]]:
    """Adds up what was summed over local parts; sharded parameters' sums in ONE all-reduce for each mesh.

    Args:
        parts: a place, a parameter, and 0-dim tensors of 64 bits that were summed over its local elements.
        places: how many places there are.
        order: all parameters; where they lie on several meshes, ranks must go through these alike.
        replicated: all ranks hold the same parameters: rank 0's sums are everybody's, to the last bit.

    Returns:
        For each place the sums, always added in the same order.

    Example:
        >>> p, found = torch.zeros(2), (torch.tensor(1.0), torch.tensor(2.0))
        >>> over_all_ranks([(0, p, found), (1, p, found), (0, p, found)], places=2)
        [[2.0, 4.0], [1.0, 2.0]]
    """
    by_mesh: dict[Any, list[Part]] = {}
    for part in parts:
        by_mesh.setdefault(sharded_over(part[1]), []).append(part)
    device = parts[0][2][0].device
    totals = _added(by_mesh.pop((), []), places, len(parts[0][2]))
    meshes = dict.fromkeys(sharded_over(p) for p in order) if len(by_mesh) > 1 else by_mesh
    for groups in filter(by_mesh.__contains__, meshes):
        local = torch.tensor(_added(by_mesh[groups], places, len(parts[0][2])), dtype=torch.float64, device=device)
        for group in groups:
            dist.all_reduce(local, group=group)
        totals = [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(totals, local.tolist(), strict=True)]
    if replicated and dist.is_initialized():
        of_rank_0 = torch.tensor(totals, dtype=torch.float64, device=device)
        dist.broadcast(of_rank_0, src=0)
        totals = of_rank_0.tolist()
    return totals


def _added(parts: Sequence[Part], places: int, width: int) -> list[list[float]]:
    totals = [[0.0] * width for _ in range(places)]
    if parts and parts[0][2][0].is_cpu:
        rows = [[value.item() for value in found] for _, _, found in parts]
    else:  # one transfer for all
        rows = torch.stack([torch.stack(found) for _, _, found in parts]).tolist() if parts else []
    for (place, _, _), row in zip(parts, rows, strict=True):
        total = totals[place]
        for i, value in enumerate(row):
            total[i] += value
    return totals


def sharded_over(p: Tensor) -> tuple[Any, ...]:
    """The process groups over which a parameter is sharded; none for a plain tensor.

    Example:
        >>> sharded_over(torch.zeros(2))
        ()
    """
    if type(p) in (torch.nn.Parameter, Tensor) or not hasattr(p, "device_mesh"):
        return ()
    mesh, placements = p.device_mesh, p.placements  # type: ignore[attr-defined]  # a DTensor
    # not is_shard(), which is False of a strided one
    return tuple(mesh.get_group(i) for i, placement in enumerate(placements) if not placement.is_replicate())

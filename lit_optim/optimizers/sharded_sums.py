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
) -> Tensor:
    """Adds up what was summed over local parts; sharded parameters' sums in ONE all-reduce for each mesh.

    On a GPU nothing waits for the sums: they are a tensor there.

    Args:
        parts: a place, a parameter, and tensors of 64 bits that were summed over its local elements: 0-dim ones, on a
            GPU also 1-D ones whose elements are still to be added up.
        places: how many places there are.
        order: all parameters; where they lie on several meshes, ranks must go through these alike.
        replicated: all ranks hold the same parameters: rank 0's sums are everybody's, to the last bit.

    Returns:
        For each place a row of sums, in 64 bits, always added in the same order.

    Example:
        >>> p, found = torch.zeros(2), (torch.tensor(1.0), torch.tensor(2.0))
        >>> over_all_ranks([(0, p, found), (1, p, found), (0, p, found)], places=2).tolist()
        [[2.0, 4.0], [1.0, 2.0]]
    """
    by_mesh: dict[Any, list[Part]] = {}
    for part in parts:
        by_mesh.setdefault(sharded_over(part[1]), []).append(part)
    like = parts[0][2]
    totals = _added(by_mesh.pop((), []), places, like)
    meshes = dict.fromkeys(sharded_over(p) for p in order) if len(by_mesh) > 1 else by_mesh
    for groups in filter(by_mesh.__contains__, meshes):
        local = _added(by_mesh[groups], places, like)
        for group in groups:
            dist.all_reduce(local, group=group)
        totals += local
    if replicated and dist.is_initialized():
        dist.broadcast(totals, src=0)
    return totals


def _added(parts: Sequence[Part], places: int, like: Sequence[Tensor]) -> Tensor:
    """For each place its parts' sums, one added after the other."""
    if not like[0].is_cpu:
        device = like[0].device
        nothing = torch.zeros(1, dtype=torch.float64, device=device)
        of_place = [[found for place, _, found in parts if place == i] for i in range(places)]
        columns = [zip(*found, strict=True) if found else [(nothing,)] * len(like) for found in of_place]
        flat = [[part.view(-1).to(device) for part in column] for place in columns for column in place]
        return torch.stack([torch.cat(column).sum() for column in flat]).view(places, len(like))
    totals = [[0.0] * len(like) for _ in range(places)]
    for place, _, found in parts:
        total = totals[place]
        for i, value in enumerate(found):
            total[i] += value.item()
    return torch.tensor(totals, dtype=torch.float64)


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

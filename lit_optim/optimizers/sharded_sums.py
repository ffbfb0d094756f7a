"""Sums over all elements of all parameters, wherever they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def over_all_ranks(
    parts: Sequence[tuple[int, Tensor, tuple[Tensor, ...]]], places: int, *, replicated: bool = False
) -> list[list[float]]:
    """Adds up what was summed over local parts; sharded parameters' sums in ONE all-reduce for each mesh.

    Args:
        parts: a place, a parameter, and 0-dim tensors that were summed over its local elements.
        places: how many places there are.
        replicated: all ranks hold the same parameters: rank 0's sums are everybody's, to the last bit.

    Returns:
        For each place the sums, in 64 bits, added in the order of the parts.
    """
    width = len(parts[0][2])
    device = parts[0][2][0].device
    by_shard: dict[Any, list[tuple[int, tuple[Tensor, ...]]]] = {}
    for place, p, found in parts:
        by_shard.setdefault(_shard_groups(p), []).append((place, found))
    totals = torch.zeros(places, width, dtype=torch.float64)
    for groups, several in by_shard.items():
        values = torch.stack([torch.stack(found) for _, found in several]).tolist()
        local = torch.zeros(places, width, dtype=torch.float64)
        for (place, _), row in zip(several, values, strict=True):
            local[place] += torch.tensor(row, dtype=torch.float64)
        if groups:
            on_device = local.to(device)
            for group in groups:
                dist.all_reduce(on_device, group=group)
            local = on_device.cpu()
        totals += local
    if replicated and dist.is_initialized():
        on_device = totals.to(device)
        dist.broadcast(on_device, src=0)
        totals = on_device.cpu()
    result: list[list[float]] = totals.tolist()
    return result


def _shard_groups(p: Tensor) -> tuple[Any, ...]:
    """The process groups over which a parameter is sharded; none for a plain tensor."""
    placements = getattr(p, "placements", ())
    mesh = getattr(p, "device_mesh", None)
    return tuple(mesh.get_group(i) for i, placement in enumerate(placements) if placement.is_shard()) if mesh else ()

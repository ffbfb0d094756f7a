"""Shards of DTensors: what this rank holds, where it lies in the whole, and sums over ranks that share units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def local(tensor: Tensor) -> Tensor:
    """Returns the part of a tensor that this rank holds; an ordinary tensor as it is."""
    return tensor.to_local() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def is_sharded(tensor: Tensor) -> bool:
    """Detects a DTensor without importing torch.distributed.tensor."""
    return hasattr(tensor, "to_local")


def cut_shard(whole: Tensor, like: Any) -> Tensor:
    """Cuts out of a whole tensor what this rank holds of another one.

    Args:
        whole: an ordinary tensor; may have further dimensions behind those of ``like``.
        like: a DTensor, or an ordinary tensor: then all is returned.

    Example:
        >>> cut_shard(torch.arange(3), torch.zeros(3))
        tensor([0, 1, 2])
    """
    if not is_sharded(like):
        return whole
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    sizes, offsets = compute_local_shape_and_global_offset(like.shape, like.device_mesh, like.placements)
    return whole[tuple(slice(start, start + size) for start, size in zip(offsets, sizes, strict=True))]


def sum_over_ranks(sums: Sequence[Tensor], owners: Sequence[Tensor]) -> None:
    """Adds up, in place, sums over the parts of units that ranks share: one all-reduce a process group.

    A unit is a row (all elements with one index of the first dimension); of a 1-D tensor it is the whole.

    Args:
        sums: the sums over this rank's part, one tensor for each owner, of one dtype.
        owners: the tensors that were summed.
    """
    shared: dict[dist.ProcessGroup, list[Tensor]] = {}
    for values, owner in zip(sums, owners, strict=True):
        for group in _sharing_groups(owner):
            shared.setdefault(group, []).append(values)
    for group, parts in shared.items():
        together = torch.cat([part.reshape(-1) for part in parts])
        dist.all_reduce(together, group=group)
        for part, values in zip(parts, torch.split(together, [part.numel() for part in parts]), strict=True):
            part.copy_(values.view_as(part))


def units_are_split(owner: Tensor) -> bool:
    """Returns whether other ranks hold elements of this rank's units."""
    return bool(_sharing_groups(owner))


def _sharing_groups(owner: Any) -> list[dist.ProcessGroup]:
    if not is_sharded(owner):
        return []
    splits = [
        getattr(placement, "dim", None) is not None and (owner.ndim < 2 or placement.dim > 0)
        for placement in owner.placements
    ]
    mesh = owner.device_mesh
    return [mesh.get_group(d) for d, split in enumerate(splits) if split and mesh.size(d) > 1]

"""Where the elements of a sharded tensor lie in the whole one, and sums over what other ranks hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def local(tensor: Tensor) -> Tensor:
    """What this rank holds of a tensor; all of an ordinary one."""
    return tensor.to_local() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def is_sharded(tensor: Tensor) -> bool:
    """Whether it is a DTensor, told without importing torch.distributed.tensor."""
    return hasattr(tensor, "to_local")


def runs(tensor: Tensor) -> Iterator[tuple[int, int, int]]:
    """What this rank holds, as ``(place in the local tensor, place in the whole tensor, length)``, flat and in order.

    Example:
        >>> list(runs(torch.zeros(2, 3)))
        [(0, 0, 6)]
    """
    if not is_sharded(tensor):
        yield 0, 0, tensor.numel()
        return
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    placed: Any = tensor
    sizes, offsets = compute_local_shape_and_global_offset(tensor.shape, placed.device_mesh, placed.placements)
    yield from box(tuple(tensor.shape), tuple(sizes), tuple(offsets))


def box(whole: Sequence[int], sizes: Sequence[int], offsets: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """The runs of a box in a contiguous tensor.

    Args:
        whole: shape of the tensor.
        sizes: shape of the box.
        offsets: its first corner.

    Example:
        >>> list(box((4, 3), (2, 3), (1, 0))), list(box((2, 4), (2, 2), (0, 2)))
        ([(0, 3, 6)], [(0, 2, 2), (2, 6, 2)])
    """
    length = math.prod(sizes)
    if not length:
        return
    cut = next((d for d in reversed(range(len(whole))) if sizes[d] != whole[d]), 0)  # the last dimension that is cut
    run = math.prod(sizes[cut:])
    strides = [math.prod(whole[d + 1 :]) for d in range(len(whole))]
    for i in range(length // run):
        start, rest = 0, i
        for d in reversed(range(cut)):
            rest, index = divmod(rest, sizes[d])
            start += (offsets[d] + index) * strides[d]
        start += sum(offsets[d] * strides[d] for d in range(cut, len(whole)))
        yield i * run, start, run


def complete(sums: Sequence[Tensor], owners: Sequence[Tensor]) -> None:
    """Makes local sums over units into whole ones, in place: one all-reduce for all, over the ranks that share a unit.

    A unit is a row (all elements with one index of the first dimension), of a tensor with one dimension the whole.

    Args:
        sums: one tensor of sums for each owner, of one dtype.
        owners: the tensors that were summed.
    """
    shared: dict[dist.ProcessGroup, list[Tensor]] = {}
    for values, owner in zip(sums, owners, strict=True):
        for group in _sharers(owner):
            shared.setdefault(group, []).append(values)
    for group, parts in shared.items():
        together = torch.cat([part.reshape(-1) for part in parts])
        dist.all_reduce(together, group=group)
        for part, values in zip(parts, torch.split(together, [part.numel() for part in parts]), strict=True):
            part.copy_(values.view_as(part))


def units_are_split(owner: Tensor) -> bool:
    """Whether other ranks hold elements of this rank's units."""
    return bool(_sharers(owner))


def _sharers(owner: Any) -> list[dist.ProcessGroup]:
    if not is_sharded(owner):
        return []
    splits = [
        getattr(placement, "dim", None) is not None and (owner.ndim < 2 or placement.dim > 0)
        for placement in owner.placements
    ]
    mesh = owner.device_mesh
    return [mesh.get_group(d) for d, split in enumerate(splits) if split and mesh.size(d) > 1]

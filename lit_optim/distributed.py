"""Reads the local shards of sharded tensors, and sums over all ranks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor

ORDINARY = (Tensor, torch.nn.Parameter)
Part = tuple[int, Tensor, tuple[Tensor, ...]]


def local_tensor(tensor: Tensor) -> Tensor:
    """Return what this rank holds of a tensor: all of it, or its shard. It shares memory; not for autograd."""
    if not is_sharded(tensor):
        return tensor
    shard: Any = tensor.to_local()  # type: ignore[attr-defined]
    whole: Tensor = shard.wait() if hasattr(shard, "wait") else shard  # of a collective that has not ended yet
    return whole


def is_sharded(tensor: Any) -> bool:
    """Return whether a tensor is a DTensor, without importing torch.distributed.tensor."""
    return type(tensor) not in ORDINARY and hasattr(tensor, "to_local")


def sharding_of(tensor: Any) -> tuple[Any, ...]:
    """Return the mesh and placements of a DTensor; nothing for an ordinary tensor."""
    return (tensor.device_mesh, tensor.placements) if is_sharded(tensor) else ()


def shard_like(tensor: Any, other: Any) -> Tensor:
    """Return a tensor sharded as another one is."""
    if not is_sharded(other) or tensor.placements == other.placements:
        return cast("Tensor", tensor)
    return cast("Tensor", tensor.redistribute(placements=other.placements))


def any_rank(found: bool, like: Tensor, ranks: int = 2) -> bool:
    """Return ``found``, combined with *or* over all ranks, which must all call it.

    Args:
        found: on this rank.
        like: a tensor on the device of this rank.
        ranks: how many there are; with one, nothing is exchanged.
    """
    if ranks < 2 or not dist.is_initialized():
        return found
    anywhere = torch.tensor(float(found), device=local_tensor(like).device)
    dist.all_reduce(anywhere, dist.ReduceOp.MAX)
    return bool(anywhere)


class AgreedMaximum:
    """The largest whole number of all ranks, known one exchange later, so that ranks do not wait for each other.

    Without a process group it is this process's number, at once. All ranks must call the same methods.

    Example:
        >>> agreed = AgreedMaximum()
        >>> agreed.exchange(15), agreed.value
        (15, 15)
    """

    def __init__(self) -> None:
        self.value = 0
        self._group = None
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            on_cpu = dist.get_backend() == "gloo"  # for a number on another device the host would have to wait
            self._group = dist.group.WORLD if on_cpu else dist.new_group(backend="gloo")
        self._sent: tuple[Tensor, Any] | None = None

    def exchange(self, own: int) -> int:
        """Send this rank's number, and return the largest of the exchange before."""
        if self._group is None:
            self.value = own
        else:
            self._receive()
            number = torch.tensor(own)
            self._sent = number, dist.all_reduce(number, dist.ReduceOp.MAX, group=self._group, async_op=True)
        return self.value

    def settle(self, own: int) -> int:
        """Send this rank's number, and return the largest."""
        self.exchange(own)
        self._receive()
        return self.value

    def _receive(self) -> None:
        if self._sent is not None:
            number, work = self._sent
            work.wait()
            self.value, self._sent = max(self.value, int(number)), None


def cut_shard(whole: Tensor, like: Any) -> Tensor:
    """Cut the part out of a whole tensor that this rank holds of another one.

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


def gathered(shard: Tensor, like: Any) -> Tensor:
    """Return the whole of a tensor, of which this rank holds a shard; all ranks must call it.

    Args:
        shard: what this rank holds, of a size that may be 0.
        like: a tensor that is sharded in the same way; of an ordinary one, ``shard`` is the whole.
    """
    if not is_sharded(like):
        return shard
    whole = torch.empty_like(like, dtype=shard.dtype)
    local_tensor(whole).copy_(shard)
    return cast("Tensor", whole.full_tensor())  # type: ignore[attr-defined]  # a DTensor


def first_row(tensor: Any) -> int:
    """Return the place of this rank's first row in the whole tensor.

    Example:
        >>> first_row(torch.zeros(3))
        0
    """
    if not is_sharded(tensor):
        return 0
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    return int(compute_local_shape_and_global_offset(tensor.shape, tensor.device_mesh, tensor.placements)[1][0])


def sum_split_units(sums: Sequence[Tensor], owners: Sequence[Tensor]) -> None:
    """Add up, in place, sums over the parts of units that ranks share: one all-reduce a process group.

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
    """Return whether other ranks hold elements of this rank's units."""
    return bool(_sharing_groups(owner))


def _sharing_groups(owner: Any) -> list[dist.ProcessGroup]:
    """Return the process groups whose ranks hold other elements of the same units."""
    if not is_sharded(owner):
        return []
    mesh, dims = owner.device_mesh, [getattr(placement, "dim", None) for placement in owner.placements]
    split = [d for d, dim in enumerate(dims) if dim is not None and (owner.ndim < 2 or dim > 0)]
    return [mesh.get_group(d) for d in split if mesh.size(d) > 1]


def sum_over_ranks(
    parts: Sequence[Part], places: int, order: Iterable[Tensor] = (), *, replicated: bool = False
) -> Tensor:
    """Add up sums over local parts, with one all-reduce for each mesh that parameters are sharded over.

    On a GPU the host does not wait for the sums: they stay a tensor there.

    Args:
        parts: a place, a parameter, and tensors of 64 bits that were summed over its local elements: 0-dim ones, on a
            GPU also 1-D ones whose elements are still to be added up.
        places: how many places there are.
        order: all parameters; where they lie on several meshes, ranks must go through these alike.
        replicated: all ranks hold the same parameters: rank 0's sums are broadcast, equal to the last bit.

    Returns:
        For each place a row of sums, in 64 bits, always added in the same order.

    Example:
        >>> p, found = torch.zeros(2), (torch.tensor(1.0), torch.tensor(2.0))
        >>> sum_over_ranks([(0, p, found), (1, p, found), (0, p, found)], places=2).tolist()
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
    """Add the sums of the parts at each place, in their order."""
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
    """Return the process groups over which a parameter is sharded; none for a plain tensor.

    Example:
        >>> sharded_over(torch.zeros(2))
        ()
    """
    if not is_sharded(p):
        return ()
    mesh, placements = p.device_mesh, p.placements  # type: ignore[attr-defined]  # a DTensor
    # is_shard() would miss a strided shard
    return tuple(mesh.get_group(i) for i, placement in enumerate(placements) if not placement.is_replicate())

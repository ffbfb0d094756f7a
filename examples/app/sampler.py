from __future__ import annotations

from collections.abc import Iterator, Sized

import torch
from torch import distributed
from torch.utils.data import Sampler


class EpochSampler(Sampler[int]):
    """Indices in an order that depends on nothing but ``(seed, epoch)``, so that a resumed run can repeat it.

    In a distributed run each rank takes every world-size-th index. Lightning calls `set_epoch` before each epoch.

    Args:
        data: what is sampled from; only its length is read.
        seed: of the order.
        shuffle: False keeps the order of ``data``.
        pad: repeat a few indices, so that every rank gets the same number; one without a batch would hang the others.

    Example:
        >>> sampler = EpochSampler("abcd", seed=1)
        >>> first = list(sampler); sampler.set_epoch(1); second = list(sampler)
        >>> sorted(first) == sorted(second) == [0, 1, 2, 3]
        True
    """

    def __init__(self, data: Sized, seed: int = 0, *, shuffle: bool = True, pad: bool = True) -> None:
        self.size = len(data)
        self.seed, self.shuffle, self.pad = seed, shuffle, pad
        self.epoch = 0
        self.skip = 0  # indices of this epoch that were used before a resume

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next iteration."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        return iter(self._indices()[self.skip :])

    def __len__(self) -> int:
        return len(range(self.size)[self._share()]) if not self.pad else -(-self.size // _world()[1])

    def _share(self) -> slice:
        rank, world = _world()
        return slice(rank, None, world)

    def _indices(self) -> list[int]:
        if self.shuffle:
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self.epoch) % 2**63)
            order = torch.randperm(self.size, generator=generator).tolist()
        else:
            order = list(range(self.size))
        if self.pad:
            order += order[: -len(order) % _world()[1]]
        return order[self._share()]


def _world() -> tuple[int, int]:
    """This process's rank, and the number of processes."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1

"""An order of the data, and a loader, that a resumed run can repeat from the middle of an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any

import torch
from torch import distributed
from torch.utils.data import DataLoader, Dataset, Sampler


class EpochSampler(Sampler[int]):
    """Yields indices in an order that depends on ``(seed, epoch)`` only, so that a resumed run can repeat it.

    In a distributed run each rank takes every world-size-th index. Lightning calls `set_epoch` before each epoch.

    Args:
        data: what is sampled from; only its length is read.
        seed: of the order.
        shuffle: False keeps the order of ``data``.
        pad: repeat a few indices, so that every rank gets the same number; a rank without a batch blocks the others.

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
        rank, world = _world()
        return -(-self.size // world) if self.pad else len(range(rank, self.size, world))

    def _indices(self) -> list[int]:
        rank, world = _world()
        order = list(range(self.size))
        if self.shuffle:
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self.epoch) % 2**63)
            order = torch.randperm(self.size, generator=generator).tolist()
        if self.pad:
            order += order[: -len(order) % world]
        return order[rank::world]


class ResumableLoader(DataLoader[Any]):
    """Continues in the middle of an epoch, where a checkpoint was written.

    Lightning saves `state_dict` in its checkpoints. Batches that were used before are skipped by index, not loaded.
    """

    def __init__(self, dataset: Dataset[Any], sampler: Sampler[int], **options: Any) -> None:
        super().__init__(dataset, sampler=sampler, **options)
        # Lightning puts a sampler without epochs here for overfit_batches
        self._order = sampler if isinstance(sampler, EpochSampler) else EpochSampler(range(0))
        self._given = 0  # batches of this epoch
        self._resume: dict[str, int] = {}

    def state_dict(self) -> dict[str, int]:
        """Returns the epoch's order, and how many of its batches were used."""
        return {"seed": self._order.seed, "epoch": self._order.epoch, "given": self._given}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Continues from there at the next iteration, if that is one of the same epoch."""
        self._resume = dict(state_dict)
        self._order.seed = self._resume["seed"]

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # a generator: nothing happens before the first batch
        resume, self._resume = self._resume, {}
        same_epoch = resume.get("epoch") == self._order.epoch
        self._given = resume["given"] if same_epoch else 0
        self._order.skip = self._given * (self.batch_size or 1)
        for batch in super().__iter__():
            self._given += 1
            yield batch


def _world() -> tuple[int, int]:
    """Returns this process's rank, and the number of processes."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1

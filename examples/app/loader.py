from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, Dataset, Sampler

from app.sampler import EpochSampler


class ResumableLoader(DataLoader[Any]):
    """A DataLoader that goes on in the middle of an epoch where a checkpoint left it.

    Lightning keeps `state_dict` in its checkpoints. Batches that were given before are skipped by index, not loaded.

    Args:
        dataset: what is loaded from.
        sampler: chooses the order of each epoch.
        options: of the DataLoader: ``batch_size``, ``num_workers``, ...
    """

    def __init__(self, dataset: Dataset[Any], sampler: Sampler[int], **options: Any) -> None:
        super().__init__(dataset, sampler=sampler, **options)
        # Lightning puts a sampler without epochs here for overfit_batches
        self._order = sampler if isinstance(sampler, EpochSampler) else EpochSampler(range(0))
        self._given = 0  # batches of this epoch
        self._resume: dict[str, int] = {}

    def state_dict(self) -> dict[str, int]:
        """The epoch's order, and how many of its batches were given."""
        return {"seed": self._order.seed, "epoch": self._order.epoch, "given": self._given}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Goes on from there, at the next iteration, if that is one of the same epoch."""
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

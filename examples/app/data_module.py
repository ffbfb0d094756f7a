from __future__ import annotations

from typing import Any

import lightning as L
from torch import Tensor
from torch.utils.data import TensorDataset

from app.loader import ResumableLoader
from app.sampler import EpochSampler
from lit_optim import ConfigError
from lit_optim.errors import wrong

MOST_WORKERS = 1024


class TensorData(L.LightningDataModule):
    """Data that fits into memory: inputs and targets, split into a part to train on and a part to validate on.

    A subclass sets `shape` and `classes`, from which a network takes its sizes, and implements `tensors`.

    Args:
        batch_size: examples in a batch, of each process.
        num_workers: processes that load; 0 = none, which is best for data in memory.
        seed: of the order of the training data.
    """

    shape: tuple[int, ...]  # of one input
    classes: int

    def __init__(self, batch_size: int, num_workers: int, seed: int) -> None:
        super().__init__()
        if not 1 <= batch_size < 2**31:
            raise ConfigError(wrong("batch_size", batch_size, "must be at least 1, and below 2147483648"))
        if not 0 <= num_workers <= MOST_WORKERS:
            raise ConfigError(wrong("num_workers", num_workers, f"must lie between 0 and {MOST_WORKERS}"))
        self.options: dict[str, Any] = {"batch_size": batch_size, "num_workers": num_workers}
        self.seed = seed

    def tensors(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Inputs and targets to train on, and to validate on."""
        raise NotImplementedError

    def setup(self, stage: str) -> None:
        """Loads the data, once in each process."""
        if not hasattr(self, "train"):
            self.train, self.val = (TensorDataset(*part) for part in self.tensors())

    def train_dataloader(self) -> ResumableLoader:
        """In a new order every epoch."""
        return ResumableLoader(self.train, EpochSampler(self.train, self.seed), **self.options)

    def val_dataloader(self) -> ResumableLoader:
        """Every example exactly once, also when several processes share the work."""
        return ResumableLoader(self.val, EpochSampler(self.val, shuffle=False, pad=False), **self.options)

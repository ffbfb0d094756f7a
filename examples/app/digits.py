from __future__ import annotations

from typing import Any

from app.images import Images
from app.packages import needs


class Digits(Images):
    """1797 handwritten digits of 8x8 pixels, which scikit-learn brings along.

    Args:
        batch_size: images in a batch.
        num_workers: processes that load.
        seed: of the order of the training data.
    """

    shape = (1, 8, 8)

    def __init__(self, batch_size: int = 32, num_workers: int = 0, seed: int = 0) -> None:
        needs("sklearn", "scikit-learn")
        super().__init__(batch_size, num_workers, seed)

    def arrays(self) -> tuple[Any, Any]:
        """From scikit-learn's own folder."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        return digits.data, digits.target

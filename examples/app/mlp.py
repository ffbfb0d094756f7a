from __future__ import annotations

from itertools import pairwise
from math import prod

from torch import Tensor, nn

from app.sizes import at_least_one, has_dimensions


class Mlp(nn.Sequential):
    """Fully connected layers.

    Args:
        shape: of an image: channels, height, width.
        classes: how many there are.
        width: of each hidden layer.
        depth: number of hidden layers.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, *, width: int = 128, depth: int = 2) -> None:
        has_dimensions(shape, 3, "this network reads images: choose data=digits, or model=lstm")
        at_least_one(width=width, depth=depth)
        sizes = [prod(shape), *[width] * depth]
        hidden = [nn.Sequential(nn.Linear(i, o), nn.LayerNorm(o), nn.ReLU()) for i, o in pairwise(sizes)]
        super().__init__(nn.Flatten(), *hidden, nn.Linear(width, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the classes."""
        logits: Tensor = super().forward(x)  # type: ignore[no-untyped-call]  # torch's Sequential
        return logits

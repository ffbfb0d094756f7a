"""Small networks; each takes the shape of an input and the number of classes from the data."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn


class Mlp(nn.Sequential):
    """``depth`` hidden layers of ``width``, for images: ``shape`` is channels, height, width."""

    def __init__(self, shape: Sequence[int], classes: int, *, width: int = 128, depth: int = 2) -> None:
        _check_dimensions(shape, 3, "this network reads images: choose data=digits, or model=lstm")
        sizes = [prod(shape), *[width] * depth]
        hidden = [nn.Sequential(nn.Linear(i, o), nn.LayerNorm(o), nn.ReLU()) for i, o in pairwise(sizes)]
        super().__init__(nn.Flatten(), *hidden, nn.Linear(sizes[-1], classes))


class Cnn(nn.Sequential):
    """Three convolutions for images from 2x2 pixels; the first has ``width`` channels, the others twice as many."""

    def __init__(self, shape: Sequence[int], classes: int, *, width: int = 16) -> None:
        _check_dimensions(shape, 3, "this network reads images: choose data=digits, or model=lstm")
        super().__init__(
            _block(shape[0], width),
            _block(width, 2 * width),
            nn.MaxPool2d(2),
            _block(2 * width, 2 * width),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(8 * width, classes),
        )


class CharLstm(nn.Module):
    """Predicts the next code at each position of a sequence, with LSTM ``layers`` of ``width``."""

    def __init__(self, shape: Sequence[int], classes: int, *, width: int = 128, layers: int = 1) -> None:
        _check_dimensions(shape, 1, "this network reads sequences: choose data=text")
        super().__init__()
        self.embedding = nn.Embedding(classes, width)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True)
        self.output = nn.Linear(width, classes)

    def forward(self, codes: Tensor) -> Tensor:
        """Returns the logits of the next code, at each position."""
        hidden, _ = self.lstm(self.embedding(codes))
        logits: Tensor = self.output(hidden)
        return logits


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """A convolution without bias: the normalization has one."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def _check_dimensions(shape: Sequence[int], count: int, needed: str) -> None:
    if len(shape) != count:
        raise ValueError(f"the data have the shape {tuple(shape)}; {needed}")

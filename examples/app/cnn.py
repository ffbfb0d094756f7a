from __future__ import annotations

from torch import Tensor, nn

from app.sizes import at_least_one, has_dimensions


class Cnn(nn.Sequential):
    """Three convolutions with batch normalization, for grey images of any size from 2x2.

    Args:
        shape: of an image: channels, height, width.
        classes: how many there are.
        width: channels of the first layer; the others have twice as many.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, *, width: int = 16) -> None:
        has_dimensions(shape, 3, "this network reads images: choose data=digits, or model=lstm")
        at_least_one(width=width)
        super().__init__(
            _block(shape[0], width),
            _block(width, 2 * width),
            nn.MaxPool2d(2),
            _block(2 * width, 2 * width),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(8 * width, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the classes."""
        logits: Tensor = super().forward(x)  # type: ignore[no-untyped-call]  # torch's Sequential
        return logits


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """The bias is the normalization's."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())

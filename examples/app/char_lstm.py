from __future__ import annotations

from torch import Tensor, nn

from app.sizes import at_least_one, has_dimensions


class CharLstm(nn.Module):
    """Reads a sequence of codes, and at each place tells the next one.

    Args:
        shape: of a sequence: its length.
        classes: number of codes.
        width: of the embedding and of each layer.
        layers: LSTM layers on top of each other.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, *, width: int = 128, layers: int = 1) -> None:
        has_dimensions(shape, 1, "this network reads sequences: choose data=text")
        at_least_one(width=width, layers=layers)
        super().__init__()
        self.embedding = nn.Embedding(classes, width)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True)
        self.output = nn.Linear(width, classes)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of the next code, at each place."""
        hidden, _ = self.lstm(self.embedding(codes))
        logits: Tensor = self.output(hidden)
        return logits

"""The networks of the benchmark, but for the LSTM, which is the example's."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SmallCnn(nn.Sequential):
    """Three convolutions with batch norm for 28x28 pixels; the first has ``width`` channels, others twice as many."""

    def __init__(self, classes: int = 10, width: int = 16) -> None:
        sizes = (1, width, 5, 2), (width, 2 * width, 3, 1), (2 * width, 2 * width, 3, 2)  # channels, kernel, stride
        blocks = [
            nn.Sequential(nn.Conv2d(i, o, k, s, k // 2, bias=False), nn.BatchNorm2d(o), nn.ReLU())
            for i, o, k, s in sizes
        ]
        super().__init__(*blocks, nn.Flatten(), nn.Linear(2 * width * 49, classes))


class CharTransformer(nn.Module):
    """Predicts the next byte at each position, with ``depth`` layers that norm before attention."""

    def __init__(self, length: int, classes: int = 256, dim: int = 64, depth: int = 2, heads: int = 4) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(classes, dim), nn.Embedding(length, dim)
        block = nn.TransformerEncoderLayer(dim, heads, 4 * dim, 0.0, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, depth, nn.LayerNorm(dim), enable_nested_tensor=False)
        self.output = nn.Linear(dim, classes, bias=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length), persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        """Returns the logits of the next byte, at each position."""
        x = self.token(codes) + self.position(torch.arange(codes.shape[1], device=codes.device))
        logits: Tensor = self.output(self.blocks(x, self.mask, is_causal=True))
        return logits

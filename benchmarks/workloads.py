"""Parameters of the shapes that people train, with random gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def mlp() -> list[tuple[int, ...]]:
    """W3: 6 tensors, 0.1 M parameters; calls cost more than arithmetic."""
    return [(128, 784), (128,), (10, 128), (10,), (10, 10), (10,)]


def resnet18() -> list[tuple[int, ...]]:
    """W1: 62 tensors, 11.7 M parameters."""
    shapes: list[tuple[int, ...]] = [(64, 3, 7, 7), (64,), (64,)]
    width = 64
    for out in (64, 128, 256, 512):
        for block in range(2):
            inside = width if block == 0 else out
            shapes += [(out, inside, 3, 3), (out,), (out,), (out, out, 3, 3), (out,), (out,)]
            if inside != out:
                shapes += [(out, inside, 1, 1), (out,), (out,)]
        width = out
    return [*shapes, (1000, 512), (1000,)]


def transformer(width: int = 384, words: int = 21000, positions: int = 256) -> list[tuple[int, ...]]:
    """W2: 148 tensors, 30 M parameters: 12 layers of width 384, a vocabulary of 21 000."""
    n = width
    shapes: list[tuple[int, ...]] = [(words, n), (positions, n)]
    for _ in range(12):
        shapes += [(n,), (n,), (3 * n, n), (3 * n,), (n, n), (n,)]
        shapes += [(n,), (n,), (4 * n, n), (4 * n,), (n, 4 * n), (n,)]
    return [*shapes, (n,), (n,)]


def large() -> list[tuple[int, ...]]:
    """W5: 4 tensors of 12.25 M."""
    return [(3500, 3500)] * 4


def tiny() -> list[tuple[int, ...]]:
    """148 tensors of 8 elements: calls, and nothing else."""
    return [(8,)] * 148


WORKLOADS = {"W1": resnet18, "W2": transformer, "W3": mlp, "W5": large, "tiny": tiny}


def parameters(workload: str, seed: int = 0) -> list[Tensor]:
    """Parameters with gradients."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for shape in WORKLOADS[workload]():
        p = nn.Parameter(torch.randn(shape, generator=generator).mul_(0.02))
        p.grad = torch.randn(shape, generator=generator).mul_(1e-3)
        made.append(p)
    return made

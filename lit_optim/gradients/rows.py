"""Adds normal numbers to many pieces of gradients at once, in blocks that stay in the cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lit_optim.gradients.normal import ROW, SEGMENT, SPAN, two_normals

BLOCK, DEVICE_BLOCK = 256, 4096  # rows computed at once: 2.6 MB of scratch in a CPU's cache, and 42 MB elsewhere
Keys = Callable[[int], tuple[int, int]]  # of a segment


@dataclass(frozen=True)
class Piece:
    """Where the numbers of some rows of the block go."""

    target: Tensor  # 1-D
    offset: int  # of the target's first element in the first row; negative: the row begins within the target
    first: int  # row of the block
    count: int


class Rows:
    """Collects pieces of tensors and adds to element ``i`` of a tensor the ``i``-th number of that tensor.

    A number depends on the tensor's keys and on ``i`` only, never on how the tensor is cut.

    Args:
        device: of the gradients.
    """

    def __init__(self, device: torch.device) -> None:
        self.lane = torch.arange(ROW, dtype=torch.int32, device=device)
        self.block = block = BLOCK if device.type == "cpu" else DEVICE_BLOCK
        self.steps = torch.arange(0, block * ROW, ROW, dtype=torch.int32, device=device)[:, None]
        self.counts = torch.empty(block, ROW, dtype=torch.int32, device=device)
        self.spare = torch.empty_like(self.counts)
        self.floats = [torch.empty(block, ROW, device=device) for _ in range(3)]
        self.keys = torch.empty(2, block, 1, dtype=torch.int32, device=device)
        self.scale = torch.empty(block, 1, device=device)
        self.pieces: list[Piece] = []
        self.used = 0

    def add(self, flat: Tensor, start: int, variance: float, keys: Keys) -> None:
        """Adds the numbers ``start, start + 1, ...`` of a tensor to ``flat``, now or at `flush`.

        Args:
            flat: 1-D, contiguous.
            start: place of its first element in the whole tensor.
            variance: of the numbers.
            keys: of the tensor in this step, for each segment of 2^31 counters.
        """
        row, stop = start // SPAN, -(-(start + flat.numel()) // SPAN)
        while row < stop:
            segment, within = divmod(row, SEGMENT)
            count = min(stop - row, self.block - self.used, SEGMENT - within)
            first, second = keys(segment)
            place = slice(self.used, self.used + count)
            torch.add(self.steps[:count], signed(first + within * ROW), out=self.keys[0, place])
            self.keys[1, place] = second
            self.scale[place] = -8 * variance
            self.pieces.append(Piece(flat, start - row * SPAN, self.used, count))
            self.used += count
            row += count
            if self.used == self.block:
                self.flush()

    def flush(self) -> None:
        """Computes the rows that were collected and adds them to their tensors."""
        if not self.used:
            return
        x, y = self.counts[: self.used], self.spare[: self.used]
        r, s, q = (scratch[: self.used] for scratch in self.floats)
        c, p = x.view(torch.float32), y.view(torch.float32)  # the integers are done with where these begin
        torch.add(self.lane, self.keys[0, : self.used], out=x)
        two_normals(x, self.keys[1, : self.used], self.scale[: self.used], y, r, s, q, c, p)
        for piece in self.pieces:
            _put(piece, s, c)
        self.pieces.clear()
        self.used = 0


def signed(word: int) -> int:
    """A sum of 32-bit words as the hardware would have it.

    Example:
        >>> signed(2**31), signed(5 - 2**32)
        (-2147483648, 5)
    """
    return (word + 2**31) % 2**32 - 2**31


def _put(piece: Piece, s: Tensor, c: Tensor) -> None:
    """Adds rows to a tensor: whole ones at once, those at its ends in parts."""
    flat, begin = piece.target, -piece.offset  # place of the first row in the target
    end = flat.numel()
    head = 1 if begin < 0 else 0
    whole = max(min((end - begin) // SPAN, piece.count) - head, 0)
    if whole:
        place, rows = begin + head * SPAN, slice(piece.first + head, piece.first + head + whole)
        pairs = flat[place : place + whole * SPAN].view(whole, 2, ROW)
        pairs[:, 0].add_(s[rows])
        pairs[:, 1].add_(c[rows])
    for i in {*range(head), *range(head + whole, piece.count)}:
        for half, numbers in enumerate((s, c)):
            place = begin + i * SPAN + half * ROW
            low, high = max(place, 0), min(place + ROW, end)
            if low < high:
                flat[low:high].add_(numbers[piece.first + i, low - place : high - place])

"""The same numbers as `lit_optim.gradients.rows`, up to rounding, by one compiled kernel a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lit_optim.engine.compile_rule import compile_rule
from lit_optim.engine.scalar_buffer import on_device
from lit_optim.gradients.normal import ROW, SEGMENT, SPAN, two_normals
from lit_optim.gradients.rows import Keys, Rows, signed

Compiled = Callable[..., Any]
SHIFT = SPAN.bit_length() - 1


def add_normals(g: Tensor, _: Tensor, offset: Tensor, first: Tensor, second: Tensor, scale: Tensor) -> None:
    """Adds to each element the number of its place, computed from its counter alone.

    Args:
        g: 1-D.
        _: scratch, which every text is given.
        offset: place of the first element within its row.
        first: the first key, the counters before that row added.
        second: the second key.
        scale: see `lit_optim.gradients.normal.two_normals`.
    """
    place = torch.arange(g.shape[0], dtype=torch.int32, device=g.device) + offset.to(torch.int32)
    x = (((place >> SHIFT) << (SHIFT - 1)) | (place & (ROW - 1))) + first.to(torch.int32)
    y = torch.empty_like(x)
    r, s, q, c, p = (torch.empty_like(x, dtype=torch.float32) for _ in range(5))
    two_normals(x, second.to(torch.int32), scale.to(torch.float32), y, r, s, q, c, p)
    g.add_(torch.where((place & ROW) == 0, s, c))


class Elements:
    """Adds to element ``i`` of a tensor the ``i``-th number of that tensor, see `Rows`; at once.

    Args:
        device: of the gradients.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.scalars = torch.zeros(4, dtype=torch.float64, device=device)  # exact for 32-bit integers too
        self.kernels: dict[tuple[torch.dtype, int], Compiled | None] = {}
        self.rows: Rows | None = None

    def add(self, flat: Tensor, start: int, variance: float, keys: Keys) -> None:
        """Adds the numbers ``start, start + 1, ...`` of a tensor to ``flat``; see `Rows.add`."""
        kind = flat.dtype, torch.get_num_threads()
        if kind not in self.kernels:
            self.kernels[kind] = compile_rule(add_normals, [flat], self.scalars)
        compiled = self.kernels[kind]
        if compiled is None:  # no compiler, which was told
            self.rows = self.rows or Rows(self.device)
            self.rows.add(flat, start, variance, keys)
            return
        while flat.numel():
            row, offset = divmod(start, SPAN)
            segment, within = divmod(row, SEGMENT)
            count = min(flat.numel(), (min(SEGMENT - within, SEGMENT // 4)) * SPAN - offset)  # places in 31 bits
            first, second = keys(segment)
            numbers = (offset, signed(first + within * ROW), second, -8 * variance)
            compiled([flat[:count], on_device(numbers, torch.float64, self.device)])
            flat, start = flat[count:], start + count

    def flush(self) -> None:
        """Does what was left to rows."""
        if self.rows is not None:
            self.rows.flush()

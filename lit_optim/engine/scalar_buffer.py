"""Put the scalars of a step where a compiled kernel reads them."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_double, c_float
from typing import Any

import torch
from torch import Tensor

C_TYPES: dict[torch.dtype, Any] = {torch.float32: c_float, torch.float64: c_double}


class ScalarBuffer:
    """Holds the scalars in a 1-D tensor, rewritten when they change; on a CPU without a call of torch.

    Example:
        >>> buffer = ScalarBuffer(2, torch.float32, torch.device("cpu"))
        >>> buffer((1.0, 2.0))
        tensor([1., 2.])
    """

    def __init__(self, n: int, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype, self.device = dtype, device
        self.numbers: tuple[float, ...] | None = None
        self.memory = (C_TYPES[dtype] * n)() if device.type == "cpu" and dtype in C_TYPES and n else None
        if self.memory is None:
            self.tensor = torch.empty(n, dtype=dtype, device=device)
        else:
            self.tensor = torch.frombuffer(self.memory, dtype=dtype)

    def __call__(self, numbers: tuple[float, ...]) -> Tensor:
        """Return the tensor that holds these numbers."""
        if numbers != self.numbers:
            self.numbers = numbers
            if self.memory is not None:
                self.memory[:] = numbers
            else:
                self.tensor = on_device(numbers, self.dtype, self.device)
        return self.tensor


def on_device(numbers: Sequence[float], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Make a 1-D tensor of numbers, without waiting until a GPU has them.

    Example:
        >>> on_device([1.0, 2.0], torch.float64, torch.device("cpu"))
        tensor([1., 2.], dtype=torch.float64)
    """
    return torch.tensor(numbers, dtype=dtype).to(device, non_blocking=device.type == "cuda")

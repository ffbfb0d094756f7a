"""Measure the memory of a run: its peak, and what the optimizer's state takes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lit_optim.distributed import is_sharded


def tensor_bytes(value: Any) -> int:
    """Add up the bytes of all tensors in nested containers; of a sharded one, those of all ranks.

    Example:
        >>> tensor_bytes({0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(2, 3)}, "note": "x"})
        28
    """
    if isinstance(value, Mapping):
        return sum(map(tensor_bytes, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(tensor_bytes, value))
    if not isinstance(value, Tensor):
        return 0
    if hasattr(value, "__tensor_flatten__") and not is_sharded(value):  # a subclass that packs its values
        return sum(tensor_bytes(getattr(value, name)) for name in value.__tensor_flatten__()[0])
    return value.numel() * value.element_size()


class PeakMemory:
    """The most memory that a run takes: what torch allocates on a GPU, else what the process holds.

    Both counters are of the whole process, so they are reset where the run begins.

    Args:
        device: of the module.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._without_copy = self._seen = 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            with contextlib.suppress(OSError):  # Linux alone has it; elsewhere the peak is the process's
                Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

    def read(self) -> int:
        """Return the peak in bytes, without the copies that a record takes of the weights."""
        found = self._running()
        if found > self._seen:
            self._seen = self._without_copy = found
        return self._without_copy

    def leave_out(self, copied: int) -> None:
        """Count a peak since the last `read` without so many bytes."""
        found = self._running()
        if found > self._seen:
            self._seen, self._without_copy = found, max(self._without_copy, found - copied)

    def _running(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        try:
            import resource
        except ImportError:  # Windows
            return 0
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

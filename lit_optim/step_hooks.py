"""Optimizer steps that really happened: a gradient scaler skips those whose gradients have overflowed."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer


class AppliedStepCounter:
    """Counts the steps of an optimizer, without those that were skipped.

    A scaler does not call ``step`` where it finds an overflow; one that handles it itself (``fused``) is called with
    ``found_inf`` set.

    Args:
        optimizer: whose steps are counted.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.ones(1)], lr=0.1)
        >>> steps = AppliedStepCounter(optimizer)
        >>> optimizer.step(); steps.has_moved(), steps.has_moved()
        (True, False)
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.taken = 0
        self.seen = 0
        optimizer.register_step_post_hook(self._count)

    def _count(self, optimizer: Any, *_: Any) -> None:
        found_inf = getattr(optimizer, "found_inf", None)
        self.taken += found_inf is None or not float(found_inf)

    def has_moved(self) -> bool:
        """Whether a step was taken since this was last asked."""
        before, self.seen = self.seen, self.taken
        return self.taken > before

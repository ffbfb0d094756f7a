"""Collect the losses between two rows of a record, and what Lightning's loops have logged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from lit_optim.lightning_api import LightningModule, Trainer


class Losses:
    """The losses of batches since the last row; they stay on their device until they are read.

    Attributes:
        first: the loss of the first batch; None before a row.
        earlier: those that a checkpoint has brought.

    Example:
        >>> losses = Losses()
        >>> losses.add({"loss": torch.tensor(2.0)}), losses.add({"loss": torch.tensor(0.25)}, scale=4), losses.add({})
        (None, None, None)
        >>> losses.take(lambda values: values), losses.first
        (1.5, 2.0)
    """

    def __init__(self) -> None:
        self.first: float | None = None
        self.earlier: list[float] = []
        self._tensors: list[Tensor] = []
        self._scales: list[int] = []

    def add(self, outputs: Any, scale: int = 1) -> None:
        """Keep the loss of a batch, if there is one.

        Args:
            outputs: of the training step.
            scale: by which Lightning has divided the loss; a schedule may change it between two rows.
        """
        loss = outputs.get("loss") if isinstance(outputs, dict) else None
        if isinstance(loss, Tensor):
            self._tensors.append(loss.detach() if loss.requires_grad else loss)
            self._scales += [scale] * loss.numel()

    def since_row(self) -> list[float]:
        """Read the losses, which waits for their device."""
        found = torch.cat([loss.reshape(-1) for loss in self._tensors]).tolist() if self._tensors else []
        return [*self.earlier, *(scale * loss for scale, loss in zip(self._scales, found, strict=True))]

    def take(self, reduce: Callable[[list[float]], list[float]]) -> float | None:
        """Return the mean of the losses, and begin the next one; None where there are none.

        Args:
            reduce: means over the ranks; all of them take part.
        """
        found = self.since_row()
        self.earlier, self._tensors, self._scales = [], [], []
        if not found:
            return None
        mean, first = reduce([sum(found) / len(found), found[0]])
        self.first = first if self.first is None else self.first
        return mean


def mean_over_ranks(values: list[float], trainer: Trainer, module: LightningModule) -> list[float]:
    """Return losses averaged over the ranks, which must all call it."""
    if trainer.world_size == 1:
        return values
    own = torch.tensor(values, dtype=torch.float64, device=module.device)
    found: list[float] = trainer.strategy.reduce(own, reduce_op="mean").tolist()
    return found


def metrics_of(loop: Any) -> Iterator[tuple[str, float]]:
    """Yield the metrics that a validation or a test has logged at its end."""
    for name, value in loop._results.metrics(on_step=False)["callback"].items():
        yield name, float(value)

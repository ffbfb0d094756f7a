"""How long a run is, as far as a configuration tells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RunLength:
    """Lengths that are known; None where they are not, or where there is no limit.

    Args:
        max_epochs: epochs, the Trainer's limit.
        max_steps: optimizer steps, the Trainer's limit.
        steps_per_epoch: optimizer steps of an epoch.
        total_steps: optimizer steps of the run, if they are known otherwise.

    Example:
        >>> RunLength(max_epochs=3, steps_per_epoch=10).steps, RunLength(max_steps=25, steps_per_epoch=10).epochs
        (30, 3)
    """

    max_epochs: int | None = None
    max_steps: int | None = None
    steps_per_epoch: int | None = None
    total_steps: int | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> RunLength:
        """The lengths that a configuration names, under ``trainer`` and at its top."""
        trainer = config.get("trainer")
        trainer = trainer if isinstance(trainer, Mapping) else {}
        return cls(
            max_epochs=_count(trainer.get("max_epochs")),
            max_steps=_count(trainer.get("max_steps")),
            steps_per_epoch=_count(config.get("steps_per_epoch")),
            total_steps=_count(config.get("total_steps")),
        )

    @property
    def steps(self) -> int | None:
        """Optimizer steps of the run."""
        if self.total_steps is not None:
            return self.total_steps
        limits = [] if self.max_steps is None else [self.max_steps]
        if self.max_epochs is not None and self.steps_per_epoch is not None:
            limits.append(self.max_epochs * self.steps_per_epoch)
        return min(limits, default=None)

    @property
    def epochs(self) -> int | None:
        """Epochs that the run begins."""
        limits = [] if self.max_epochs is None else [self.max_epochs]
        if self.steps is not None and self.steps_per_epoch is not None:
            limits.append(math.ceil(self.steps / self.steps_per_epoch))
        return min(limits, default=None)


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf or value % 1:
        return None
    return int(value)

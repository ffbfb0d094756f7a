"""Answer torch's questions for lrs from the param groups, as no copy of them is kept."""

from __future__ import annotations

from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler


class LiveLrs(LRScheduler):
    """Base of a scheduler whose lrs are those in the groups."""

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the groups' present lrs."""
        return [g["lr"].clone() if isinstance(g["lr"], Tensor) else g["lr"] for g in self.optimizer.param_groups]

    def get_lr(self) -> list[float | Tensor]:
        """Return `get_last_lr`: torch's chained form has no other value here."""
        return self.get_last_lr()

    @property
    def base_lrs(self) -> list[float | Tensor]:  # type: ignore[override]  # torch stores a copy, which goes stale
        """Return the groups' present initial lrs."""
        return [group["initial_lr"] for group in self.optimizer.param_groups]

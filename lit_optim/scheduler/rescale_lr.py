"""Change an optimizer's lr, and scale the lrs of its groups in proportion."""

from __future__ import annotations

from torch.optim import Optimizer


def rescale_lr(optimizer: Optimizer, lr: float) -> None:
    """Make ``lr`` the optimizer's default, and scale the initial and the present lr of every group with it.

    AdaBound's ``base_lr`` is scaled too, so that its bounds final_lr * lr / base_lr stay where they are.
    """
    before = float(optimizer.defaults["lr"])
    for group in optimizer.param_groups:
        for name in [name for name in ("initial_lr", "base_lr", "lr") if name in group]:
            group[name] = group[name] * (lr / before) if before else lr  # nothing is in proportion to 0
    optimizer.defaults["lr"] = lr

"""Change an optimizer's lr, and scale the lrs of its groups in proportion."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.optim import Optimizer

LRS = ("initial_lr", "base_lr", "lr")


def rescale_lr(optimizer: Optimizer, lr: float) -> None:
    """Make ``lr`` the optimizer's default, and scale the initial and the present lr of every group with it.

    AdaBound's ``base_lr`` is scaled too, so that its bounds final_lr * lr / base_lr stay where they are.
    """
    before = float(optimizer.defaults["lr"])
    if before:
        multiply_lrs(optimizer, lr / before)
    else:  # nothing is in proportion to 0
        for group in optimizer.param_groups:
            group.update({name: lr for name in LRS if name in group})
    optimizer.defaults["lr"] = lr


def multiply_lrs(optimizer: Optimizer, factor: float) -> None:
    """Multiply the lr of an optimizer and those of all its groups."""
    for group in optimizer.param_groups:
        group.update({name: group[name] * factor for name in LRS if name in group})
    optimizer.defaults["lr"] = optimizer.defaults["lr"] * factor

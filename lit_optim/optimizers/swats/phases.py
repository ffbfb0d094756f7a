"""Switches param groups and their state from Adam to SGD."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def switch_to_sgd(groups: Sequence[dict[str, Any]], state: Mapping[Tensor, Any], behind: int = 0) -> bool:
    """Set the lr and the momentum of SGD in groups that share an estimate; their lrs keep their ratios.

    Args:
        groups: with the estimate ``sgd_lr`` and Adam's last ``adam_lr``.
        state: of their parameters; SGD's buffer begins at 0.
        behind: steps of Adam that were taken after the last one in the estimate.

    Returns:
        Whether they have switched; where Lambda is not positive yet, they switch as soon as it is.

    Example:
        >>> group = dict(lr=0.1, adam_lr=0.1, sgd_lr=2.0, betas=(0.9, 0.99), follow_schedule=True, k=7, params=[])
        >>> switch_to_sgd([group], {}), round(group["lr"], 6), group["phase"], group["switched_at"]
        (True, 0.2, 'sgd', 7)
    """
    first, adam_lr = groups[0], max(float(group["adam_lr"]) for group in groups)
    possible = 0 < first["sgd_lr"] < math.inf and adam_lr > 0
    for group in groups:
        group["switch_requested"] = not possible
    if not possible:
        return False
    factor = (1 - first["betas"][0]) * first["sgd_lr"] / adam_lr  # all lrs keep their ratios
    for group in groups:
        lr = group["lr"]
        if group["follow_schedule"]:  # which may be a step ahead of Adam's last one
            group["lr"] = lr * factor
            if "initial_lr" in group:
                group["initial_lr"] = group["initial_lr"] * factor
        else:
            fixed = group["adam_lr"] * factor
            group["lr"] = torch.full_like(lr, fixed) if isinstance(lr, Tensor) else fixed
            group["scheduled"] = False
        group.update(phase="sgd", switched_at=group["k"] + behind, decay_lr=1 / factor)
        for p in group["params"]:
            if "exp_avg" in state.get(p, {}):
                state[p]["exp_avg"].zero_()
    return True


def warn_of_undone_switch(group: Mapping[str, Any]) -> None:
    """Warn before SGD's first step if a scheduler has put Adam's lr in place of SGD's.

    Args:
        group: whose ``lr`` is about Adam's last one, while the switch has written another one.
    """
    lr, adam_lr = float(group["lr"]), float(group["adam_lr"])
    if abs(math.log(group["decay_lr"])) > 1 and math.isclose(lr, adam_lr, rel_tol=0.3):
        warnings.warn(
            f"SWATS has switched to SGD with lr={adam_lr / group['decay_lr']:.3g}, and lr={lr:.3g}, near Adam's, has "
            "been written in its place: torch's LambdaLR, OneCycleLR and warm restarts compute the lr from their own "
            "initial one; take a lit_optim.ScheduleLR",
            stacklevel=2,
        )

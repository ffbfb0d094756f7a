"""Compute the values of a param group after a change of optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer

from lit_optim.torch_backend.implementation import FLAGS

TO = "switched_to"  # in every group: name of the second class once it has taken over, else None
OWN_FLAGS = (*FLAGS, "compile")  # how a class computes; never taken over from another


def values_after(
    group: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], lr: float, unit: float
) -> dict[str, Any]:
    """Return the values with which another class goes on with a param group.

    Its lrs, the initial and the present one, are multiplied by one factor, as those of all groups are: they keep their
    ratios and their place in the schedule. A value that differs from the default of the first class is the group's own
    and stays, e.g. a rule's ``weight_decay: 0``; so does one that a schedule drives (``initial_weight_decay``). All
    others are those of the second class.

    Args:
        group: as it is.
        before: the values of the first class where a group has none of its own.
        after: those of the second class.
        lr: the new lr of a group whose lr is ``unit``.
        unit: the default lr of the first class; 1 where ``lr`` is a factor.

    Example:
        >>> group = {"lr": 0.05, "initial_lr": 0.1, "weight_decay": 0.0, "name": "no_decay"}
        >>> after = {"lr": 0.5, "weight_decay": 1e-4, "momentum": 0.9}
        >>> values_after(group, {"lr": 0.1, "weight_decay": 0.01}, after, 0.5, 0.1)
        {'lr': 0.25, 'initial_lr': 0.5, 'momentum': 0.9}
    """
    found: dict[str, Any] = {}
    for key, value in after.items():
        if key == "lr":
            found |= {name: group[name] / unit * lr for name in ("lr", "initial_lr") if name in group}
        elif key == "base_lr":  # of AdaBound: the lr that a group begins with
            found[key] = float(group.get("initial_lr", group["lr"])) / unit * lr
        elif key in OWN_FLAGS or not _is_own(group, key, before):
            found[key] = value
    return found


def _is_own(group: Mapping[str, Any], key: str, before: Mapping[str, Any]) -> bool:
    driven = any(name.partition("[")[0] == f"initial_{key}" for name in group)
    return driven or (key in before and key in group and group[key] != before[key])


def default_values(optimizer: Optimizer) -> dict[str, Any]:
    """Return the values of a group without own ones: the defaults, and what a class adds to groups.

    Example:
        >>> import torch
        >>> default_values(torch.optim.Rprop([torch.zeros(1)]))["etas"]
        (0.5, 1.2)
    """
    added = {k: v for k, v in optimizer.param_groups[0].items() if k not in ("params", "param_names", "name")}
    return {**added, **optimizer.defaults}


def as_tuples(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return a group with tuples in place of the lists that some files hold, so that they equal a class's defaults."""
    return {k: tuple(v) if isinstance(v, list) and k not in ("params", "param_names") else v for k, v in group.items()}

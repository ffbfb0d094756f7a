"""Checks the arguments of SWATS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_optim.engine.arguments import check_above_0, check_at_least_0, check_betas, check_bools
from lit_optim.errors import ConfigError, did_you_mean, wrong

OPTIONS = ("switch_tol", "switch_rtol", "min_steps", "scope", "max_sgd_lr", "normalize_by_lr", "follow_schedule")


def check_arguments(group: Mapping[str, Any]) -> None:
    """Reject a group with a value that is out of range.

    Raises:
        ConfigError: for the first such value.

    Example:
        >>> good = dict(lr=0.1, eps=0.0, weight_decay=0.0, switch_tol=0.0, switch_rtol=0.0, betas=(0.9, 0.99))
        >>> flags = dict(amsgrad=False, decoupled=False, normalize_by_lr=False, follow_schedule=True)
        >>> words = dict(scope="global", eps_placement="paper")
        >>> check_arguments({**good, **flags, **words, "max_sgd_lr": None, "min_steps": 0})
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: min_steps=0: must be a whole number of at least 1
    """
    check_at_least_0(group, "lr", "eps", "weight_decay", "switch_tol", "switch_rtol")
    check_betas(group)
    check_bools(group, "amsgrad", "decoupled", "normalize_by_lr", "follow_schedule")
    if group["max_sgd_lr"] is not None:
        check_above_0(group, "max_sgd_lr")
    steps = group["min_steps"]
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ConfigError(wrong("min_steps", steps, "must be a whole number of at least 1"))
    for name, allowed in (("scope", ("global", "group")), ("eps_placement", ("paper", "torch"))):
        if group[name] not in allowed:
            hint = did_you_mean(str(group[name]), allowed)
            raise ConfigError(wrong(name, group[name], f"must be one of {', '.join(allowed)}{hint}"))

"""Runs all checks over a configuration, or over the specs of a fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lit_optim.config.build.param_groups import read_rules
from lit_optim.config.build.scheduler import CheckedSchedule, check_scheduler
from lit_optim.config.pitfalls.drop_after_warmup import drop_after_warmup
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.pitfalls.floor_above_lr import floor_above_lr
from lit_optim.config.pitfalls.logged import Logged
from lit_optim.config.pitfalls.momentum_cycling import momentum_cycling
from lit_optim.config.pitfalls.monitor_not_logged import monitor_not_logged
from lit_optim.config.pitfalls.stepped_per_epoch import stepped_per_epoch
from lit_optim.config.pitfalls.two_owners import two_owners
from lit_optim.config.pitfalls.warmup_too_long import warmup_too_long
from lit_optim.config.read.spec import Spec, read_spec
from lit_optim.duration import RunLength
from lit_optim.errors import ConfigError
from lit_optim.param_groups import Rule

T = TypeVar("T")


def find(config: Mapping[str, Any], logged: Logged, *, folder: Path | None = None) -> list[Finding]:
    """Find the mistakes in the specs of a config, at its top and under ``model``.

    Args:
        config: plain mappings; ``trainer``, ``total_steps`` and ``steps_per_epoch`` tell the length of the run.
        logged: the names of the metrics.
        folder: where relative paths begin.

    Example:
        >>> config = {"optimizer": "sgd", "scheduler": {"warmup": 900}, "trainer": {"max_steps": 500}}
        >>> [finding.check for finding in find(config, Logged())]
        ['warmup_too_long']
    """
    run = RunLength.from_config(config)
    trainer, model = config.get("trainer"), config.get("model")
    findings: list[Finding] = []
    for prefix, level in (("", config), ("model.", model)):
        if not isinstance(level, Mapping) or (prefix and _repeats(level, config)):
            continue
        optimizer, scheduler = (
            None if level.get(group) is None else _valid(read_spec, level[group], group, f"{prefix}{group}")
            for group in ("optimizer", "scheduler")
        )
        checked = None if scheduler is None else _valid(check_scheduler, scheduler)
        rules = _valid(read_rules, level.get("param_groups")) or []
        findings += find_in_specs(optimizer, scheduler, checked, rules, run, logged, f"{prefix}param_groups")
        if isinstance(trainer, Mapping):
            strategy = trainer.get("strategy")
            findings += two_owners(strategy, optimizer, checked, folder=folder, environment=os.environ)
    return findings


def find_in_specs(
    optimizer: Spec | None,
    scheduler: Spec | None,
    checked: CheckedSchedule | None,
    rules: Sequence[Rule],
    run: RunLength,
    logged: Logged | None = None,
    rules_key: str = "param_groups",
) -> list[Finding]:
    """Find the mistakes in specs, which need not be valid.

    Args:
        optimizer: its spec.
        scheduler: its spec.
        checked: the same, checked; None where that failed.
        rules: of the param groups.
        run: how long the run is.
        logged: the names of the metrics; None where they are not known.
        rules_key: dotted name of the rules' spec.
    """
    if scheduler is None:
        return []
    own = checked is not None and checked.own
    findings = [] if own else stepped_per_epoch(scheduler, run)
    findings += warmup_too_long(scheduler, run) + drop_after_warmup(scheduler)
    if checked is not None and logged is not None:
        findings += monitor_not_logged(checked, logged)
    if optimizer is not None:
        findings += floor_above_lr(scheduler, optimizer, rules, rules_key)
        findings += [] if own else momentum_cycling(scheduler, optimizer)
    return findings


def _repeats(level: Mapping[str, Any], top: Mapping[str, Any]) -> bool:
    """Return whether a level only repeats the specs above it, as ``model.optimizer: ${optimizer}`` does."""
    groups = ("optimizer", "scheduler", "param_groups")
    return all(level.get(group) is None or level.get(group) == top.get(group) for group in groups)


def _valid(read: Callable[..., T], *args: Any) -> T | None:
    """Return what ``read`` makes of a spec, or None for a wrong spec, which `validate` reports."""
    try:
        return read(*args)
    except ConfigError:
        return None

"""Runs all checks over a configuration, or over the specs of a fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lit_optim.config.build.param_groups import read_grouping
from lit_optim.config.build.scheduler import CheckedSchedule, check_scheduler
from lit_optim.config.pitfalls.classes import as_mapping
from lit_optim.config.pitfalls.drop_after_warmup import drop_after_warmup
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.pitfalls.floor_above_lr import floor_above_lr
from lit_optim.config.pitfalls.logged import Logged
from lit_optim.config.pitfalls.momentum_cycling import momentum_cycling
from lit_optim.config.pitfalls.monitor_not_logged import monitor_not_logged
from lit_optim.config.pitfalls.muon_lr import muon_lr
from lit_optim.config.pitfalls.one_cycle_length import one_cycle_length
from lit_optim.config.pitfalls.stepped_per_epoch import stepped_per_epoch
from lit_optim.config.pitfalls.two_owners import two_owners
from lit_optim.config.pitfalls.unguarded import names_guard, unguarded
from lit_optim.config.pitfalls.warmup_too_long import switch_after_the_end, warmup_too_long
from lit_optim.config.read.named_specs import spec_pairs
from lit_optim.config.read.spec import Spec, read_spec
from lit_optim.duration import RunLength
from lit_optim.errors import ConfigError
from lit_optim.param_groups import Rule

T = TypeVar("T")

# each check, the fields of Specs that it needs, and those that it takes by name
CHECKS: tuple[tuple[Callable[..., list[Finding]], tuple[str, ...], tuple[str, ...]], ...] = (
    (stepped_per_epoch, ("foreign", "run"), ()),
    (one_cycle_length, ("foreign", "run"), ()),
    (warmup_too_long, ("scheduler", "run"), ()),
    (drop_after_warmup, ("scheduler",), ()),
    (monitor_not_logged, ("checked", "logged"), ()),
    (floor_above_lr, ("scheduler", "optimizer"), ("rules",)),
    (momentum_cycling, ("foreign", "optimizer"), ()),
    (muon_lr, ("optimizer",), ()),
    (unguarded, ("optimizer",), ("precision", "guarded")),
    (two_owners, ("strategy",), ("optimizer", "checked", "folder", "environment")),
)


@dataclass(frozen=True)
class Specs:
    """What the checks look at; None where it is not known.

    Args:
        optimizer: its spec, which need not be valid.
        scheduler: its spec, which need not be valid.
        checked: the scheduler's, checked; None where that failed.
        rules: of the param groups.
        run: how long the run is.
        logged: the names of the metrics.
        strategy: the Trainer's: a name, or a mapping.
        folder: where relative paths begin.
        environment: variables of the process.
        precision: the Trainer's.
        guarded: whether there is a finite guard.
    """

    optimizer: Spec | None
    scheduler: Spec | None
    checked: CheckedSchedule | None
    rules: Sequence[Rule]
    run: RunLength
    logged: Logged | None = None
    strategy: Any = None
    folder: Path | None = None
    environment: Mapping[str, str] | None = None
    precision: Any = None
    guarded: bool = False

    @property
    def foreign(self) -> Spec | None:
        """The scheduler's spec, unless it is a ScheduleLR."""
        return None if self.checked is not None and self.checked.own else self.scheduler


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
    strategy, precision = (as_mapping(trainer).get(key) for key in ("strategy", "precision"))
    findings: list[Finding] = []
    for prefix, level in (("", config), ("model.", model)):
        if not isinstance(level, Mapping) or (prefix and _repeats(level, config)):
            continue
        findings += _valid(switch_after_the_end, level.get("optim_callbacks"), run, f"{prefix}optim_callbacks") or []
        grouping = _valid(read_grouping, level.get("param_groups"), f"{prefix}param_groups")
        guarded = names_guard(config.get("callbacks"), level.get("optim_callbacks"), config.get("optim_callbacks"))
        rules = grouping.rules if grouping else []
        for pair in _valid(spec_pairs, level, prefix) or []:
            optimizer, scheduler = (
                None if spec is None else _valid(read_spec, spec, group, where)
                for group, (spec, where) in zip(("optimizer", "scheduler"), pair, strict=True)
            )
            checked = None if scheduler is None else _valid(check_scheduler, scheduler)
            specs = Specs(
                optimizer, scheduler, checked, rules, run, logged, strategy, folder, os.environ, precision, guarded
            )
            findings += find_in_specs(specs)
    return list(dict.fromkeys(findings))  # of one schedule for several optimizers


def find_in_specs(specs: Specs) -> list[Finding]:
    """Find the mistakes in specs, by all checks of which everything that they need is known."""
    findings: list[Finding] = []
    for check, needed, others in CHECKS:
        values = [getattr(specs, name) for name in needed]
        if all(value is not None for value in values):
            findings += check(*values, **{name: getattr(specs, name) for name in others})
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

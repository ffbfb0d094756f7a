"""Finds an optimizer or a scheduler in DeepSpeed's config, which replaces ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lit_optim.config.build.scheduler import CheckedSchedule
from lit_optim.config.pitfalls.classes import as_mapping
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.read.spec import Spec

CHECK = "two_owners"
KEY = "trainer.strategy"
CONFIG_VARIABLE = "PL_DEEPSPEED_CONFIG_PATH"  # where Lightning looks if the strategy has no config


def two_owners(
    strategy: Any,
    optimizer: Spec | None,
    checked: CheckedSchedule | None,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Find the sections of a DeepSpeed config that replace our optimizer or scheduler.

    Args:
        strategy: the Trainer's: a name, or a mapping with ``_target_`` and ``config`` (a mapping, or a JSON file).
        optimizer: our spec, if there is one.
        checked: our scheduler's, if there is one; a constant one is not reported.
        folder: where a relative path begins; default: the current one.
        environment: variables of the process.

    Example:
        >>> strategy = {"_target_": "lightning.pytorch.strategies.DeepSpeedStrategy", "config": {"optimizer": {}}}
        >>> print(*two_owners(strategy, Spec("torch.optim.SGD"), None))
        trainer.strategy.config.optimizer: DeepSpeed builds this one, and optimizer is not used; \
remove it from DeepSpeed's config
    """
    config, key = _deepspeed(strategy, environment or {})
    if config is None:
        return []
    dot = "."
    if not isinstance(config, Mapping):
        path = (folder or Path()) / str(config)
        key, dot = f"{key}={config}", ": "
        try:
            config = as_mapping(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            problem = f"DeepSpeed's config cannot be read ({error}), so it is not known whether it has a scheduler"
            return [Finding(CHECK, "note", key, problem, "")]
    ours = {"optimizer": optimizer, "scheduler": checked.spec if checked and checked.moves else None}
    found = {f"{key}{dot}{name}": spec for name, spec in ours.items() if spec is not None and name in config}
    problem, remedy = "DeepSpeed builds this one, and {} is not used", "remove it from DeepSpeed's config"
    return [
        Finding(CHECK, "error", where, problem.format(spec.key), remedy, fatal=True) for where, spec in found.items()
    ]


def _deepspeed(strategy: Any, environment: Mapping[str, str]) -> tuple[Any, str]:
    """Return DeepSpeed's config and its dotted name; None where there is none."""
    given = as_mapping(strategy)
    target = strategy if isinstance(strategy, str) else str(given.get("_target_", ""))
    if not (target.startswith("deepspeed") or target.rpartition(".")[2] == "DeepSpeedStrategy"):
        return None, ""
    if given.get("config") is not None:
        return given["config"], f"{KEY}.config"
    return environment.get(CONFIG_VARIABLE), CONFIG_VARIABLE

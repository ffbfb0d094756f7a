"""DeepSpeed with an optimizer or a scheduler in its own config, which then goes before ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lit_optim.config.build.scheduler import CheckedSchedule
from lit_optim.config.pitfalls.classes import mapping
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.read.spec import Spec

CHECK = "two_owners"
KEY = "trainer.strategy"
CONFIG_VARIABLE = "PL_DEEPSPEED_CONFIG_PATH"  # where Lightning looks if the strategy has no config


def two_owners(
    strategy: Any,
    optimizer: Spec | None,
    scheduler: CheckedSchedule | None,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Sections of a DeepSpeed config that say again what ours says.

    Args:
        strategy: the Trainer's: a name, or a mapping with ``_target_`` and ``config`` (a mapping, or a JSON file).
        optimizer: our spec, if there is one.
        scheduler: our checked spec, if there is one; one that leaves the lr alone is none.
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
    if not isinstance(config, Mapping):
        path = (folder or Path()) / str(config)
        key = f"{key}={config}"
        try:
            config = mapping(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            problem = f"DeepSpeed's config cannot be read ({error}), so nobody can tell whether it has a scheduler"
            return [Finding(CHECK, "note", key, problem, "")]
    ours = {"optimizer": optimizer, "scheduler": scheduler.spec if scheduler and scheduler.moves else None}
    return [
        Finding(
            CHECK,
            "error",
            f"{key}.{section}" if "=" not in key else f"{key}: {section}",
            f"DeepSpeed builds this one, and {spec.key} is not used",
            "remove it from DeepSpeed's config",
        )
        for section, spec in ours.items()
        if spec is not None and section in config
    ]


def _deepspeed(strategy: Any, environment: Mapping[str, str]) -> tuple[Any, str]:
    """DeepSpeed's config and its dotted name; None where there is none."""
    given = mapping(strategy)
    target = strategy if isinstance(strategy, str) else str(given.get("_target_", ""))
    if not (target.startswith("deepspeed") or target.rpartition(".")[2] == "DeepSpeedStrategy"):
        return None, ""
    if given.get("config") is not None:
        return given["config"], f"{KEY}.config"
    return environment.get(CONFIG_VARIABLE), CONFIG_VARIABLE

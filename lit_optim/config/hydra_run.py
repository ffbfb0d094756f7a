"""Reads what Hydra knows of the run that goes on."""

from __future__ import annotations

import sys
from typing import Any


def hydra_run() -> dict[str, Any] | None:
    """Return the overrides and the chosen presets of a running Hydra app; None where none runs.

    Example:
        >>> hydra_run() is None
        True
    """
    module = sys.modules.get("hydra.core.hydra_config")
    if module is None or not module.HydraConfig.initialized():
        return None
    cfg = module.HydraConfig.get()
    choices = {group: name for group, name in cfg.runtime.choices.items() if not group.startswith("hydra/")}
    return {"overrides": [str(word) for word in cfg.overrides.task], "choices": choices}

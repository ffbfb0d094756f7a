"""Optimizers and learning-rate schedules for PyTorch Lightning, chosen by configuration.

Importing this package imports neither torch nor lightning: every Hydra app of an environment imports it, through the
search-path plugin. Public names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lit_optim.errors import ConfigError, exit_on_config_error

if TYPE_CHECKING:
    from lit_optim.config.build import build_callbacks, build_optimizer, build_scheduler
    from lit_optim.config.compose import compose
    from lit_optim.config.presets import presets
    from lit_optim.config.spec_like import SpecLike
    from lit_optim.config.sweep import ValidateSweep
    from lit_optim.config.validate import validate
    from lit_optim.mixin import ConfigureOptimizersMixin
    from lit_optim.schedule_lr import ScheduleLR

__version__ = "0.1.0"

_here = Path(__file__).resolve().parent
if not (_here / "conf").is_dir() and (_here.parent / "conf" / "__init__.py").is_file():
    __path__.append(str(_here.parent))  # a source checkout: conf/ lies beside the package

_HOMES = {
    "ConfigureOptimizersMixin": "lit_optim.mixin",
    "ScheduleLR": "lit_optim.schedule_lr",
    "SpecLike": "lit_optim.config.spec_like",
    "ValidateSweep": "lit_optim.config.sweep",
    "build_callbacks": "lit_optim.config.build",
    "build_optimizer": "lit_optim.config.build",
    "build_scheduler": "lit_optim.config.build",
    "compose": "lit_optim.config.compose",
    "presets": "lit_optim.config.presets",
    "validate": "lit_optim.config.validate",
}

__all__ = [
    "ConfigError",
    "ConfigureOptimizersMixin",
    "ScheduleLR",
    "SpecLike",
    "ValidateSweep",
    "build_callbacks",
    "build_optimizer",
    "build_scheduler",
    "compose",
    "exit_on_config_error",
    "presets",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

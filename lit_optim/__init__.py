"""Optimizers and learning-rate schedules for PyTorch Lightning, chosen by configuration.

Importing this package imports neither torch nor lightning: every Hydra app of an environment imports it, through the
search-path plugin. Public names are loaded when they are first used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lit_optim.errors import ConfigError, NonFiniteError, exit_on_config_error
from lit_optim.imports import lazy_names

if TYPE_CHECKING:
    from lit_optim.checkpoint_files.checkpoint_io import SafeCheckpointIO
    from lit_optim.checkpoint_files.find import find_checkpoint
    from lit_optim.config.app_specs import specs
    from lit_optim.config.hydra_main import hydra_main
    from lit_optim.config.public_builders import build_callbacks, build_optimizer, build_scheduler
    from lit_optim.config.read.compose import compose
    from lit_optim.config.read.lightning_cli import SpecLike
    from lit_optim.config.read.presets import presets
    from lit_optim.config.read.recipe import recipe
    from lit_optim.config.sweep import ValidateSweep
    from lit_optim.config.validate import validate
    from lit_optim.mixin import ConfigureOptimizersMixin
    from lit_optim.run_folder import claim_folder
    from lit_optim.scheduler.schedule_lr import ScheduleLR

__version__ = "0.1.0"

_here = Path(__file__).resolve().parent
if not (_here / "conf").is_dir() and (_here.parent / "conf" / "__init__.py").is_file():
    __path__.append(str(_here.parent))  # a source checkout: conf/ lies beside the package

_HOMES = {
    "ConfigureOptimizersMixin": "lit_optim.mixin",
    "SafeCheckpointIO": "lit_optim.checkpoint_files.checkpoint_io",
    "ScheduleLR": "lit_optim.scheduler.schedule_lr",
    "SpecLike": "lit_optim.config.read.lightning_cli",
    "ValidateSweep": "lit_optim.config.sweep",
    "build_callbacks": "lit_optim.config.public_builders",
    "build_optimizer": "lit_optim.config.public_builders",
    "build_scheduler": "lit_optim.config.public_builders",
    "claim_folder": "lit_optim.run_folder",
    "compose": "lit_optim.config.read.compose",
    "find_checkpoint": "lit_optim.checkpoint_files.find",
    "hydra_main": "lit_optim.config.hydra_main",
    "presets": "lit_optim.config.read.presets",
    "recipe": "lit_optim.config.read.recipe",
    "specs": "lit_optim.config.app_specs",
    "validate": "lit_optim.config.validate",
}

__all__ = [
    "ConfigError",
    "ConfigureOptimizersMixin",
    "NonFiniteError",
    "SafeCheckpointIO",
    "ScheduleLR",
    "SpecLike",
    "ValidateSweep",
    "build_callbacks",
    "build_optimizer",
    "build_scheduler",
    "claim_folder",
    "compose",
    "exit_on_config_error",
    "find_checkpoint",
    "hydra_main",
    "presets",
    "recipe",
    "specs",
    "validate",
]

__getattr__, __dir__ = lazy_names(__name__, __all__, _HOMES)

"""Rejects classes that came with a later release of a package than the installed one."""

from __future__ import annotations

from lit_optim.config.capabilities import capabilities_of_target
from lit_optim.config.read.presets import preset_of_target
from lit_optim.errors import ConfigError
from lit_optim.versions import missing_version


def check_versions(target: str, key: str) -> None:
    """Rejects a class that a preset names and the installed versions lack.

    Args:
        target: import path of the class.
        key: dotted name of the spec, for messages.

    Raises:
        ConfigError: with the preset, the version that is needed, the one that is installed, and what to do.
    """
    for need in capabilities_of_target(target).versions:
        if problem := missing_version(need):
            preset = preset_of_target(target)
            raise ConfigError(f"{key}: the preset {preset!r} ({target}) {problem}, or choose another preset")

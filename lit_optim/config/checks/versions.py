"""Presets whose class came with a later release of a package than the oldest that we support."""

from __future__ import annotations

import functools

from lit_optim.config.read import presets
from lit_optim.config.read.preset_header import header
from lit_optim.errors import ConfigError
from lit_optim.versions import is_need, lack


def check_versions(target: str, key: str) -> None:
    """Rejects a class that a preset names and the installed versions lack.

    Args:
        target: import path of the class.
        key: dotted name of the spec, for messages.

    Raises:
        ConfigError: with the preset, the version that is needed, the one that is installed, and what to do.
    """
    name, needs = _by_target().get(target, ("", ()))
    for need in needs:
        if problem := lack(need):
            raise ConfigError(f"{key}: the preset {name!r} ({target}) {problem}, or choose another preset")


@functools.cache
def _by_target() -> dict[str, tuple[str, tuple[str, ...]]]:
    """The name and the versions needed of each preset that needs some, by its target."""
    found = {}
    for name in presets.preset_names("optimizer"):
        needs = tuple(need for need in presets.preset_needs("optimizer", name) if is_need(need))
        if needs:
            found[header("optimizer", name).target] = name, needs
    return found

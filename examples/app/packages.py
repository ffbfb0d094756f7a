from __future__ import annotations

from importlib.util import find_spec

from lit_optim import ConfigError


def needs(module: str, package: str) -> None:
    """Says what to install where an optional package is missing, before anything is trained.

    Raises:
        ConfigError: with the line to type.
    """
    if find_spec(module) is None:
        raise ConfigError(f"needs {package}; pip install 'lit-optim[examples]'")

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omegaconf import OmegaConf

from lit_optim.errors import Problems


def check_values(cfg: Any) -> None:
    """Every value can be read: no interpolation leads nowhere, and none is missing.

    Raises:
        ConfigError: with all that cannot, by the key that was written; what only refers to such a key is left out.

    Example:
        >>> check_values(OmegaConf.create({"seed": "${sed}", "data": {"seed": "${seed}", "path": "???"}}))
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: 2 errors in the configuration:
          - seed='${sed}': Interpolation key 'sed' not found
          - data.path='???': missing; give it a value
    """
    found: dict[str, tuple[str, str]] = {}
    for key, text, rule in _unreadable(cfg, OmegaConf.to_container(cfg, resolve=False), ""):
        found[key] = text, rule
    problems = Problems()
    for key, (text, rule) in found.items():
        if not any(f"${{{other}}}" in text for other in found if other != key):
            problems.add(key, text, rule)
    problems.raise_if_any()


def _unreadable(node: Any, raw: Any, prefix: str) -> Iterator[tuple[str, str, str]]:
    for key, value in raw.items() if isinstance(raw, dict) else enumerate(raw):
        name = f"{prefix}[{key}]" if isinstance(raw, list) else f"{prefix}.{key}".lstrip(".")
        if isinstance(value, (dict, list)):
            yield from _unreadable(node[key], value, name)
        elif value == "???":
            yield name, value, "missing; give it a value"
        elif isinstance(value, str) and "${" in value:
            try:
                node[key]
            except Exception as error:  # of OmegaConf, and of whatever a resolver calls
                yield name, value, _reason(error)


def _reason(error: Exception) -> str:
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return line.rpartition("raised while resolving interpolation: ")[2].strip('"')

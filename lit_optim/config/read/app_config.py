"""Composes the configuration that a Hydra app would see, without running the app."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_optim.config.read.command_line import NUMBERS
from lit_optim.config.read.compose import compose_app
from lit_optim.config.read.presets import GROUPS, RECIPE
from lit_optim.errors import ConfigError, did_you_mean

KNOWN = (*GROUPS, RECIPE, *NUMBERS, "trainer", "model", "data", "callbacks", "logger", "monitor")  # what apps have
IN_THE_APP = "HydraConfig was not set"  # the error of Hydra's own resolvers outside of a running app


@dataclass(frozen=True)
class Composed:
    """A composed config in plain containers; ``lost`` are the keys that could not be resolved, and why."""

    values: dict[str, Any]
    lost: dict[str, str]

    def lost_specs(self) -> dict[str, str]:
        """Return the lost keys in our specs, at the top or under ``model``."""
        return {key: why for key, why in self.lost.items() if re.match(rf"(model\.)?({'|'.join(GROUPS)})\b", key)}


def own_config(overrides: Sequence[str]) -> Composed:
    """Compose the four groups; ``trainer.max_steps=1000`` and other keys outside of them need no ``+``.

    Args:
        overrides: as on a command line.

    Raises:
        ConfigError: with Hydra's message, where Hydra raises; for a key that is nearly one of ours.

    Example:
        >>> own_config(["optimizer=sgd", "trainer.max_steps=10"]).values["trainer"]
        {'max_steps': 10}
    """
    return _composed("lit_optim", [_with_plus(override) for override in overrides])


def app_config(folder: str | Path, name: str, overrides: Sequence[str]) -> Composed:
    """Compose the config of a user's app.

    Args:
        folder: its config folder.
        name: of the primary config, with or without ``.yaml``.
        overrides: as on the app's command line.

    Raises:
        ConfigError: if there is no such file; with Hydra's message, where Hydra raises.
    """
    folder, name = Path(folder).resolve(), name.removesuffix(".yaml")
    if not folder.is_dir():
        raise ConfigError(f"--config-dir {folder}: there is no such folder")
    if not (folder / f"{name}.yaml").is_file():
        there = sorted(file.stem for file in folder.glob("*.yaml"))
        raise ConfigError(f"--config-name {name}: no {name}.yaml in {folder}{did_you_mean(name, there, list_all=True)}")
    return _composed(name, overrides, str(folder))


def app_hydra(folder: str | Path, name: str, overrides: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Compose what Hydra itself does for a user's app: the choice of each group, and the settings of its launcher.

    A group that is chosen by a list is not among the choices.

    Args:
        folder: its config folder.
        name: of the primary config.
        overrides: as on the app's command line.

    Raises:
        ConfigError: with Hydra's message, where Hydra raises.
    """
    hydra = compose_app(name.removesuffix(".yaml"), overrides, str(Path(folder).resolve()), with_hydra=True).hydra
    choices, launcher = (drop_unresolvable(each, {}) for each in (hydra.runtime.choices, hydra.launcher))
    return choices, launcher


def config_hash(folder: str | Path, name: str, overrides: Sequence[str]) -> str:
    """Return the SHA-256 of an app's config with its interpolations as written, so that no time and no folder counts.

    Args:
        folder: its config folder.
        name: of the primary config.
        overrides: as on the app's command line.
    """
    from omegaconf import OmegaConf

    text = OmegaConf.to_yaml(compose_app(name.removesuffix(".yaml"), overrides, str(folder)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _composed(name: str, overrides: Sequence[str], folder: str | None = None) -> Composed:
    """Compose a config, without what cannot be resolved."""
    lost: dict[str, str] = {}
    return Composed(drop_unresolvable(compose_app(name, overrides, folder), lost), lost)


def drop_unresolvable(cfg: Any, lost: dict[str, str], key: str = "") -> Any:
    """Convert a config to plain containers, without what cannot be resolved outside of the running app.

    Args:
        cfg: of OmegaConf.
        lost: gets the dotted keys that were left out, and why.
        key: dotted name of ``cfg``.

    Example:
        >>> from omegaconf import OmegaConf
        >>> lost = {}
        >>> drop_unresolvable(OmegaConf.create({"lr": 1, "twice": "${lr}", "nowhere": "${x}"}), lost), lost
        ({'lr': 1, 'twice': 1}, {'nowhere': "Interpolation key 'x' not found"})
    """
    from omegaconf import DictConfig, ListConfig
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(cfg, DictConfig):
        parts: dict[Any, str] = {name: f"{key}.{name!s}" if key else str(name) for name in cfg}
    elif isinstance(cfg, ListConfig):
        parts = {i: f"{key}[{i}]" for i in range(len(cfg))}
    else:
        return cfg
    found = {}
    for name, path in parts.items():
        try:
            found[name] = drop_unresolvable(cfg[name], lost, path)
        except OmegaConfBaseException as error:
            lost[path] = str(error).splitlines()[0]
    return found if isinstance(cfg, DictConfig) else list(found.values())


def _with_plus(override: str) -> str:
    """Put a ``+`` before an override whose key lies outside of our groups."""
    key = override.partition("=")[0]
    root = key.replace("@", ".").partition(".")[0].partition("/")[0]
    if root not in KNOWN and key[:1] not in ("", "+", "~") and (near := did_you_mean(root, KNOWN)):
        raise ConfigError(f"{override}: no such key{near} To keep it, write +{override}")
    return override if root in (*GROUPS, RECIPE) or key[:1] in "+~" or "=" not in override else f"+{override}"


def instantiate(node: Any) -> Any:
    """Build what a node of a config describes, as an app does with ``hydra.utils.instantiate``."""
    import hydra.utils

    return hydra.utils.instantiate(node)

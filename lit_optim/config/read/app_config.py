"""The configuration that a Hydra app would see, composed without running the app."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_optim.config.read.compose import compose
from lit_optim.config.read.presets import GROUPS as OURS
from lit_optim.errors import ConfigError, did_you_mean

IN_THE_APP = "HydraConfig was not set"  # what the resolvers of Hydra's own say outside of a running app


@dataclass(frozen=True)
class Composed:
    """A composed config in plain containers; ``lost`` are the keys that could not be resolved, and why."""

    values: dict[str, Any]
    lost: dict[str, str]

    def lost_specs(self) -> dict[str, str]:
        """Those in our specs, at the top or under ``model``."""
        return {key: why for key, why in self.lost.items() if re.match(rf"(model\.)?({'|'.join(OURS)})\b", key)}


def own_config(overrides: Sequence[str]) -> Composed:
    """The four groups, with any other keys that the overrides bring: ``trainer.max_steps=1000`` needs no ``+``.

    Args:
        overrides: as on a command line.

    Raises:
        ConfigError: for what Hydra refuses, in Hydra's words.

    Example:
        >>> own_config(["optimizer=sgd", "trainer.max_steps=10"]).values["trainer"]
        {'max_steps': 10}
    """
    try:
        cfg = compose([_added(override) for override in overrides])
    except Exception as error:
        raise ConfigError(_hydras_words(error)) from None
    lost: dict[str, str] = {}
    return Composed(readable(cfg, lost), lost)


def app_config(folder: str | Path, name: str, overrides: Sequence[str]) -> Composed:
    """The config of a user's own app.

    Args:
        folder: its config folder.
        name: of the primary config, with or without ``.yaml``.
        overrides: as on the app's command line.

    Raises:
        ConfigError: for a file that is not there, and for what Hydra refuses, in Hydra's words.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    folder, name = Path(folder).resolve(), name.removesuffix(".yaml")
    if not (folder / f"{name}.yaml").is_file():
        there = sorted(file.stem for file in folder.glob("*.yaml")) if folder.is_dir() else []
        raise ConfigError(f"--config-name {name}: no {name}.yaml in {folder}{did_you_mean(name, there, list_all=True)}")
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(folder), version_base="1.3"):
            cfg = hydra.compose(name, overrides=list(overrides))
    except Exception as error:
        raise ConfigError(_hydras_words(error)) from None
    finally:
        GlobalHydra.instance().hydra = running
    lost: dict[str, str] = {}
    return Composed(readable(cfg, lost), lost)


def readable(cfg: Any, lost: dict[str, str], key: str = "") -> Any:
    """A config as plain containers, without what cannot be resolved outside of the running app.

    Args:
        cfg: of OmegaConf.
        lost: gets the dotted keys that were left out, and why.
        key: dotted name of ``cfg``.

    Example:
        >>> from omegaconf import OmegaConf
        >>> lost = {}
        >>> readable(OmegaConf.create({"lr": 1, "twice": "${lr}", "nowhere": "${x}"}), lost), lost
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
            found[name] = readable(cfg[name], lost, path)
        except OmegaConfBaseException as error:
            lost[path] = str(error).splitlines()[0]
    return found if isinstance(cfg, DictConfig) else list(found.values())


def _added(override: str) -> str:
    """An override with the ``+`` that a key outside of our groups needs."""
    key = override.partition("=")[0]
    root = key.replace("@", ".").partition(".")[0].partition("/")[0]
    return override if root in OURS or key[:1] in "+~" or "=" not in override else f"+{override}"


def _hydras_words(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "hydra: " + " ".join(lines[:4])

"""The configuration that a Hydra app would see, composed without running the app."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lit_optim.config.compose import compose
from lit_optim.errors import ConfigError, did_you_mean

OURS = ("optimizer", "scheduler", "param_groups", "optim_callbacks")


def own_config(overrides: Sequence[str]) -> dict[str, Any]:
    """The four groups, with any other keys that the overrides bring: ``trainer.max_steps=1000`` needs no ``+``.

    Args:
        overrides: as on a command line.

    Raises:
        ConfigError: for what Hydra refuses, in Hydra's words.

    Example:
        >>> own_config(["optimizer=sgd", "trainer.max_steps=10"])["trainer"]
        {'max_steps': 10}
    """
    try:
        cfg = compose([_added(override) for override in overrides])
    except Exception as error:
        raise ConfigError(_hydras_words(error)) from None
    return dict(readable(cfg))


def app_config(folder: str | Path, name: str, overrides: Sequence[str]) -> dict[str, Any]:
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
    return dict(readable(cfg))


def readable(cfg: Any) -> Any:
    """A config as plain containers; what cannot be resolved outside of the running app is left out.

    Example:
        >>> from omegaconf import OmegaConf
        >>> readable(OmegaConf.create({"lr": 1, "twice": "${lr}", "folder": "${hydra:runtime.cwd}", "todo": "???"}))
        {'lr': 1, 'twice': 1}
    """
    from omegaconf import DictConfig, ListConfig
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(cfg, DictConfig):
        found = {}
        for key in cfg:
            with contextlib.suppress(OmegaConfBaseException):
                found[str(key)] = readable(cfg[key])
        return found
    if isinstance(cfg, ListConfig):
        items = []
        for i in range(len(cfg)):
            with contextlib.suppress(OmegaConfBaseException):
                items.append(readable(cfg[i]))
        return items
    return cfg


def _added(override: str) -> str:
    """An override with the ``+`` that a key outside of our groups needs."""
    key = override.partition("=")[0]
    root = key.replace("@", ".").partition(".")[0].partition("/")[0]
    return override if root in OURS or key[:1] in "+~" or "=" not in override else f"+{override}"


def _hydras_words(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "hydra: " + " ".join(lines[:4])

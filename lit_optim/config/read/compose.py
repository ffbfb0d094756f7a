"""Composes presets and overrides with Hydra, for scripts and notebooks without ``@hydra.main``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lit_optim.errors import ConfigError, hydra_message

if TYPE_CHECKING:
    from omegaconf import DictConfig


def compose(overrides: Sequence[str] = ("optimizer=adamw", "scheduler=warmup_cosine")) -> DictConfig:
    """Compose the four groups as an app would, also beside a Hydra app that is running.

    Args:
        overrides: as on the command line: ``optimizer=sgd``, ``scheduler.warmup.steps=500``.

    Raises:
        ConfigError: for what Hydra rejects.

    Example:
        >>> compose(["optimizer=sgd", "optimizer.lr=0.5"]).optimizer.lr
        0.5
        >>> compose(["resume=strech"])
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: resume=strech: the group has no such name; did you mean 'stretch'?
    """
    return compose_app("lit_optim", overrides)


def compose_app(
    name: str, overrides: Sequence[str], folder: str | None = None, *, with_hydra: bool = False
) -> DictConfig:
    """Compose a primary config beside a Hydra app that may be running.

    Args:
        name: of the primary config.
        overrides: as on the command line.
        folder: absolute path of the config folder; default: the one of this package.
        with_hydra: whether to keep Hydra's own configuration, at the key ``hydra``.

    Raises:
        ConfigError: for what Hydra rejects.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    # Hydra 1.3 warns without a version base, 1.4 with it
    base: dict[str, Any] = {"version_base": "1.3"} if folder or hydra.__version__.startswith("1.3.") else {}
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        module = "lit_optim.conf"
        app = hydra.initialize_config_dir(folder, **base) if folder else hydra.initialize_config_module(module, **base)
        with app:
            return hydra.compose(name, overrides=list(overrides), return_hydra_config=with_hydra)
    except Exception as error:
        raise ConfigError(hydra_message(error) or f"{' '.join(overrides)}: {error}") from error
    finally:
        GlobalHydra.instance().hydra = running

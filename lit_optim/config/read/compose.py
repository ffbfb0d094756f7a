"""Presets and overrides composed by Hydra, for scripts and notebooks without ``@hydra.main``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig


def compose(overrides: Sequence[str] = ("optimizer=adamw", "scheduler=warmup_cosine")) -> DictConfig:
    """Composes the four groups as an app would; works beside a Hydra app that is running.

    Args:
        overrides: as on the command line: ``optimizer=sgd``, ``scheduler.warmup.steps=500``.

    Example:
        >>> compose(["optimizer=sgd", "optimizer.lr=0.5"]).optimizer.lr
        0.5
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        base = (
            {"version_base": "1.3"} if hydra.__version__.startswith("1.3.") else {}
        )  # 1.4 warns of it, 1.3 without it
        with hydra.initialize_config_module("lit_optim.conf", **base):
            return hydra.compose("lit_optim", overrides=list(overrides))
    finally:
        GlobalHydra.instance().hydra = running

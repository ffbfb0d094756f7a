"""Runs a Hydra app whose wrong configurations end with one message and exit code 2; reads what was chosen."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from lit_optim.config.read.presets import GROUPS
from lit_optim.errors import exit_on_config_error

F = TypeVar("F", bound=Callable[..., Any])


def hydra_main(
    config_path: str | None = None, config_name: str | None = None, version_base: str | None = "1.3"
) -> Callable[[F], Callable[..., Any]]:
    """Decorate ``main`` as ``hydra.main`` does; a wrong configuration ends with one message and exit code 2.

    That holds for what Hydra rejects, for what ``main`` raises, and for the jobs of a sweep (``-m``).
    ``scheduler=null`` leaves a group out, as ``~scheduler`` does. ``HYDRA_FULL_ERROR=1`` shows Hydra's errors with
    their traceback. TAB completes groups and names in a shell that has run
    ``eval "$(python train.py -sc install=bash)"`` (or ``zsh``, ``fish``); keep heavy imports inside ``main`` for that.

    Args:
        config_path: of the config folder, relative to the file of ``main``.
        config_name: of the primary config.
        version_base: whose defaults Hydra takes.

    Example:
        >>> @hydra_main(config_path=None)
        ... def main(cfg):
        ...     print(cfg.lr)
        >>> from omegaconf import OmegaConf
        >>> main(OmegaConf.create({"lr": 0.1}))
        0.1
    """

    def decorate(task: F) -> Callable[..., Any]:
        import hydra

        folder = Path(inspect.getfile(task)).parent / config_path if config_path else None
        inner = hydra.main(version_base=version_base, config_path=config_path, config_name=config_name)(
            exit_on_config_error(task)
        )
        run = exit_on_config_error(inner)  # what Hydra rejects ends the same way

        @functools.wraps(task)
        def main(*cfg: Any) -> Any:
            typed = sys.argv
            groups = [*GROUPS, *(each.name for each in folder.glob("*/"))] if folder else GROUPS
            sys.argv = typed if cfg else without_null(typed, groups)
            try:
                return run(*cfg)
            finally:
                sys.argv = typed

        return main

    return decorate


def without_null(words: Iterable[str], groups: Iterable[str]) -> list[str]:
    """Write ``~group`` for ``group=null``, which Hydra does not take.

    Example:
        >>> without_null(["train.py", "scheduler=null", "seed=null"], ["scheduler"])
        ['train.py', '~scheduler', 'seed=null']
    """
    null = re.compile(rf"({'|'.join(map(re.escape, groups))})=null")
    return [f"~{found[1]}" if (found := null.fullmatch(word)) else word for word in words]


def hydra_run() -> dict[str, Any] | None:
    """Return the overrides and the chosen presets of a running Hydra app; None where none runs.

    Example:
        >>> hydra_run() is None
        True
    """
    module = sys.modules.get("hydra.core.hydra_config")
    if module is None or not module.HydraConfig.initialized():
        return None
    cfg = module.HydraConfig.get()
    choices = {group: name for group, name in cfg.runtime.choices.items() if not group.startswith("hydra/")}
    return {"overrides": [str(word) for word in cfg.overrides.task], "choices": choices}


def output_dir() -> str:
    """Return the folder of the running job of a Hydra app."""
    from hydra.core.hydra_config import HydraConfig

    return str(HydraConfig.get().runtime.output_dir)

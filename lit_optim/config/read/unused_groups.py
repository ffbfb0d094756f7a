"""Finds groups of a Hydra app's command line that do not reach the module."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from lit_optim.config.read.presets import GROUPS, RECIPE, load_preset, preset_names


def task_overrides() -> list[str]:
    """Return the overrides of the Hydra app that runs; none outside of one."""
    module = sys.modules.get("hydra.core.hydra_config")
    if module is None or not module.HydraConfig.initialized():
        return []
    return [str(word) for word in module.HydraConfig.get().overrides.task]


def unused_groups(words: Iterable[str], specs: Mapping[str, Any], name: str) -> list[str]:
    """Write what has no effect on a command line, as the module has no such spec.

    Args:
        words: the overrides.
        specs: those of the module, by group.
        name: of the module's class.

    Example:
        >>> text, = unused_groups(["optimizer=adam", "+optim_callbacks=ema"], {"optimizer": "adam"}, "Net")
        >>> text.partition(";")[0]
        'optim_callbacks=ema has no effect: Net gets no optim_callbacks'
    """
    words, found = list(words), []
    recipes = [word.lstrip("+") for word in words if re.match(rf"\+?{RECIPE}(@\S*)?=(?!null$)", word)]
    for word in words:
        key, _, value = word.lstrip("+").partition("=")
        group = re.split("[@.]", key)[0]
        if group in GROUPS and specs.get(group) is None and value.lower() not in ("", "none", "null", "[]", "{}"):
            found.append(
                f"{word.lstrip('+')} has no effect: {name} gets no {group}; take it in __init__ and pass it on, "
                f"{name}(cfg.optimizer, ..., {group}=cfg.get({group!r}))"
            )
        elif recipes and key in ("optimizer", "scheduler", "param_groups"):
            found.append(
                f"{word} has no effect: {recipes[-1]} sets all of it; write {key}.<key>=, or leave the recipe out"
            )
    return found


def classes_of_callbacks() -> set[str]:
    """Return the names of the classes that the presets of ``optim_callbacks`` configure.

    Example:
        >>> "Lookahead" in classes_of_callbacks()
        True
    """
    entries = [load_preset("optim_callbacks", name).values() for name in preset_names("optim_callbacks")]
    return {entry["_target_"].rpartition(".")[2] for several in entries for entry in several}

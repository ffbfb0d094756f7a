"""Finds groups of a Hydra app that do not reach the module."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from lit_optim.config.read.presets import GROUPS, RECIPE, load_preset, preset_names

NOTHING = ("", "none", "null", "[]", "{}", "all", "continue")  # what a module without the group does anyway


def words_of_app() -> tuple[list[str], list[str]]:
    """Return what was typed for the Hydra app that runs, and what its defaults list chooses; nothing outside of one."""
    module = sys.modules.get("hydra.core.hydra_config")
    if module is None or not module.HydraConfig.initialized():
        return [], []
    cfg = module.HydraConfig.get()
    typed = [str(word) for word in cfg.overrides.task]
    groups = {re.split("[@.=]", word.lstrip("+~"))[0] for word in typed}
    return typed, [f"{group}={name}" for group, name in cfg.runtime.choices.items() if group not in groups]


def unused_groups(typed: Iterable[str], specs: Mapping[str, Any], name: str, chosen: Iterable[str] = ()) -> list[str]:
    """Write which overrides and choices have no effect, as the module has no such spec.

    Args:
        typed: the overrides.
        specs: those of the module, by group.
        name: of the module's class.
        chosen: what the app's defaults list chooses.

    Example:
        >>> text, = unused_groups(["optimizer=adam", "+optim_callbacks=ema"], {"optimizer": "adam"}, "Net")
        >>> text.partition(";")[0]
        'optim_callbacks=ema has no effect: Net gets no optim_callbacks'
    """
    typed, found = list(typed), []
    words = [*typed, *chosen]
    recipes = [word.lstrip("+") for word in words if re.match(rf"\+?{RECIPE}(@\S*)?=(?!(null|None)$)", word)]
    for word in words:
        key, _, value = word.lstrip("+").partition("=")
        group = re.split("[@.]", key)[0]
        if group in GROUPS and specs.get(group) is None and value.lower() not in NOTHING:
            found.append(
                f"{word.lstrip('+')} has no effect: {name} gets no {group}; take it in __init__ and pass all specs on, "
                f"{name}(..., **lit_optim.specs(cfg))"
            )
        elif recipes and word in typed and key in ("optimizer", "scheduler", "param_groups"):
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

"""Find groups of a Hydra app that do not reach the module, or that its recipe replaces."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
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
    found = []
    for word in [*typed, *chosen]:
        key, _, value = word.lstrip("+").partition("=")
        group = re.split("[@.]", key)[0]
        if group in GROUPS and specs.get(group) is None and value.lower() not in NOTHING:
            found.append(
                f"{word.lstrip('+')} has no effect: {name} gets no {group}; take it in __init__ and pass all specs on, "
                f"{name}(..., **lit_optim.specs(cfg))"
            )
    return found


def replaced_by_recipe(typed: Sequence[str], chosen: Sequence[str] = ()) -> list[str]:
    """Write which overrides have no effect, as a recipe sets the whole group.

    Args:
        typed: the overrides.
        chosen: what the app's defaults list chooses.

    Example:
        >>> replaced_by_recipe(["recipe=vit", "optimizer=sgd"])
        ['optimizer=sgd has no effect: recipe=vit sets all of it; write optimizer.<key>=, or leave the recipe out']
    """
    is_recipe = re.compile(rf"\+?{RECIPE}(@\S*)?=(?!(null|None)$)").match
    recipes = [word.lstrip("+") for word in (*typed, *chosen) if is_recipe(word)]
    keys = {word: word.lstrip("+").partition("=")[0] for word in typed if recipes}
    return [
        f"{word} has no effect: {recipes[-1]} sets all of it; write {key}.<key>=, or leave the recipe out"
        for word, key in keys.items()
        if key in ("optimizer", "scheduler", "param_groups")
    ]


def classes_of_callbacks() -> set[str]:
    """Return the names of the classes that the presets of ``optim_callbacks`` configure.

    Example:
        >>> "Lookahead" in classes_of_callbacks()
        True
    """
    entries = [load_preset("optim_callbacks", name).values() for name in preset_names("optim_callbacks")]
    return {entry["_target_"].rpartition(".")[2] for several in entries for entry in several}

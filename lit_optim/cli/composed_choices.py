"""Composes the configurations of a command line with Hydra, one for each combination of its values."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from lit_optim.config.read.app_config import app_config, own_config
from lit_optim.config.read.command_line import NUMBERS, Choice, at_commas, choices
from lit_optim.config.read.presets import GROUPS
from lit_optim.errors import ConfigError


def composed_choices(words: Sequence[str], folder: Path | None = None, name: str = "") -> list[Choice]:
    """Compose all combinations of the values on a command line.

    Args:
        words: overrides as for Hydra, beside ``total_steps=`` and ``steps_per_epoch=``.
        folder: the config folder of an app; None for our groups alone.
        name: of its primary config.

    Raises:
        ConfigError: for what Hydra rejects, and for specs that cannot be resolved outside of the app.

    Example:
        >>> found = composed_choices(["scheduler=wsd,cosine", "~scheduler.cooldown", "total_steps=9"])
        >>> [(one.label, one.chosen["total_steps"], "cooldown" in one.chosen["scheduler"]) for one in found]
        [('scheduler=wsd', 9, False), ('scheduler=cosine', 9, False)]
    """
    numbers = [word for word in words if word.partition("=")[0] in NUMBERS]
    rest = [at_commas(word) for word in words if word not in numbers]
    every = [[first, *(f"{first.partition('=')[0]}={text}" for text in more)] for first, *more in rest]
    found = []
    for combination in itertools.product(*every):
        composed = app_config(folder, name, combination) if folder else own_config(combination)
        if lost := composed.lost_specs():
            raise ConfigError(*(f"{key}: {why}" for key, why in lost.items()))
        config, model = composed.values, composed.values.get("model")
        level = model if isinstance(model, Mapping) and "scheduler" in model else config
        specs = {group: level[group] for group in GROUPS if group in level}
        trainer = {"trainer": config["trainer"]} if isinstance(config.get("trainer"), dict) else {}
        differing = [word for word, each in zip(combination, every, strict=True) if len(each) > 1]
        for lengths in choices(numbers):
            label = ", ".join([*differing, *([lengths.label] if lengths.label else [])])
            found.append(Choice(label, {**specs, **lengths.chosen}, trainer))
    return found

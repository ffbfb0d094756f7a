"""Hands the search space of an optimizer to Optuna, through Hydra's sweeper for it; see `hparams_search=optuna`."""

from __future__ import annotations

from typing import Any

from lit_optim.config.read.preset_header import search_line
from lit_optim.errors import ConfigError
from lit_optim.study.search_space import Dimension, parse_search_space

STEPS = 9  # values of a range of 1 - x, which Optuna has no distribution for


def suggest(cfg: Any, trial: Any) -> None:
    """Suggest a value for every key of the optimizer's ``# search:`` line that the command line leaves open.

    Args:
        cfg: the composed config of the sweep.
        trial: Optuna's; its user attributes are the fixed overrides, its parameters those that are swept.

    Raises:
        ConfigError: for an optimizer without a search space, and for a sweep over optimizers.
    """
    folders = [source.path for source in cfg.hydra.runtime.config_sources if source.schema == "file"]
    given = {key.lstrip("+") for key in (*trial.user_attrs, *trial.params)}
    for key, chosen in cfg.hydra.runtime.choices.items():
        group, _, package = str(key).partition("@")
        if group != "optimizer":
            continue
        if key in trial.params:
            rule = "a study searches the space of one optimizer; to compare several: lit-optim compare"
            raise ConfigError(f"{key}={trial.params[key]}: {rule}")
        name = str(trial.user_attrs.get(key, chosen))
        text = search_line(name, folders)
        if not text:
            rule = "its preset has no `# search:` line; sweep e.g. 'optimizer.lr=interval(1e-3,1)'"
            raise ConfigError(f"{key}={name}: {rule}")
        for dimension in parse_search_space(text, f"{name}: search").dimensions:
            whole, _, index = f"{package or group}.{dimension.key}".partition("[")
            word = f"{whole}.{index.removesuffix(']')}" if index else whole
            if word not in given and whole not in given:
                _suggest(trial, word, dimension)


def _suggest(trial: Any, word: str, dimension: Dimension) -> None:
    if dimension.choices:
        trial.suggest_categorical(word, [*dimension.choices])
    elif dimension.complement:
        trial.suggest_categorical(word, [dimension.value(i / (STEPS - 1)) for i in range(STEPS)])
    else:
        trial.suggest_float(word, dimension.low, dimension.high, log=dimension.log)

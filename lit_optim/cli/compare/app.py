"""Reads the user's app for a comparison: its config groups, its seed, its callbacks, and how many runs go at once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lit_optim.cli.own_app import App, app_of_script
from lit_optim.config.read.app_config import app_config, app_hydra, config_hash
from lit_optim.config.read.presets import RECIPE, preset_names
from lit_optim.errors import ConfigError, did_you_mean

CALLBACKS = "optim_callbacks"
USAGE = "write e.g. `lit-optim compare train.py optimizer=sgd,adamw`"


@dataclass(frozen=True)
class ComparedApp:
    """Holds the app whose optimizers are compared.

    Args:
        script: as typed.
        app: where its config is.
        names: of the optimizers, as typed.
        overrides: of every run, as typed, without ``optimizer=`` and the seed.
        seed_key: dotted key of the app's seed.
        prefix: of the specs' keys: '' or ``model.``.
    """

    script: Path
    app: App
    names: tuple[str, ...]
    overrides: tuple[str, ...]
    seed_key: str
    prefix: str = ""
    _composed: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict, compare=False)

    def compose(self, *more: str) -> dict[str, Any]:
        """Compose the config of a run, once.

        Raises:
            ConfigError: with Hydra's message, where Hydra raises.
        """
        if more not in self._composed:
            with _one_setting():
                self._composed[more] = app_config(self.app.folder, self.app.name, [*self.overrides, *more]).values
        return self._composed[more]

    @cached_property
    def config(self) -> dict[str, Any]:
        """The app's own config, with the overrides that do not depend on the optimizer."""
        with _one_setting():
            return app_config(self.app.folder, self.app.name, self.own_overrides).values

    @cached_property
    def hydra(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The choices of the config groups, and the settings of the launcher."""
        with _one_setting():
            return app_hydra(self.app.folder, self.app.name, self.own_overrides)

    @property
    def config_hash(self) -> str:
        """The SHA-256 of that config."""
        with _one_setting():
            return config_hash(self.app.folder, self.app.name, self.own_overrides)

    @property
    def script_hash(self) -> str:
        """The SHA-256 of the script's text."""
        return hashlib.sha256(self.script.read_text(encoding="utf-8").encode()).hexdigest()

    @property
    def own_overrides(self) -> list[str]:
        """The overrides that hold with any optimizer, which compose the app where none has been chosen yet."""
        specs = re.compile(r"[+~]*(model\.)?(optimizer|optim_callbacks)\.")
        return [word for word in self.overrides if not specs.match(word)]

    @property
    def parallel(self) -> int:
        """The number of runs that the launcher starts at once."""
        launcher = self.hydra[1]
        given = launcher.get("n_jobs", launcher.get("array_parallelism", 1))
        jobs = given if isinstance(given, int) else 1
        return jobs if jobs > 0 else os.cpu_count() or 1

    @property
    def starts_once(self) -> bool:
        """Whether the launcher runs one job after the other in the same processes, which then import once."""
        return any(name in str(self.hydra[1].get("_target_")).lower() for name in ("basic", "joblib"))

    def group(self, name: str) -> str:
        """Return a config group as an override names it: ``optimizer``, ``optimizer@model.optimizer``."""
        return f"{name}@{self.prefix}{name}" if self.prefix else name

    @cached_property
    def callbacks(self) -> tuple[str, ...]:
        """The app's own choice of optimizer callbacks.

        Raises:
            ConfigError: for a list in the app's config of which an entry is no preset.
        """
        choice = self.hydra[0].get(self.group(CALLBACKS))
        typed = next((w for w in reversed(self.overrides) if w.startswith(f"{self.group(CALLBACKS)}=")), "")
        if isinstance(choice, str):
            found = [choice]
        elif typed:
            found = typed.partition("=")[2].strip("[]").split(",")
        else:  # a list in the app's config: our presets have their own names as keys
            found = [*(dotted(self.config, f"{self.prefix}{CALLBACKS}") or {})]
            if unknown := sorted({*found} - {*preset_names(CALLBACKS)}):
                text = f"chosen by a list in the app's config, where {', '.join(unknown)} is no preset of ours"
                raise ConfigError(f"{CALLBACKS}: {text}; write the choice on the command line: {CALLBACKS}=[NAME,...]")
        return tuple(name for name in map(str.strip, found) if name not in ("", "none"))


def read_app(words: Sequence[str], seed_key: str) -> ComparedApp:
    """Read the app and the optimizers that a command line names.

    Args:
        words: the script, then overrides.
        seed_key: dotted key of the app's seed.

    Raises:
        ConfigError: for what is missing on the command line or in the app.
    """
    if not words or not words[0].endswith(".py"):
        raise ConfigError(f"{words[0] if words else 'SCRIPT'}: not the script of an app; {USAGE}")
    script = Path(words[0])
    try:
        found = app_of_script(script)
    except ConfigError as error:
        rule = "; write both as texts there: its config is read without running it"
        raise ConfigError(*(problem.replace("; give --config-dir", rule) for problem in error.problems)) from error
    chosen = [word for word in words[1:] if re.match(r"optimizer(@[\w.]+)?=", word)]
    rest = tuple(word for word in words[1:] if word not in chosen and _key(word) != seed_key)
    if len(chosen) != 1:
        raise ConfigError(f"optimizer=: {'given twice' if chosen else 'missing'}; {USAGE}")
    names = chosen[0].partition("=")[2].strip("[]")
    app = ComparedApp(script, found, tuple(name for name in map(str.strip, names.split(",")) if name), rest, seed_key)
    return _checked(app)


def tuning_seed(app: ComparedApp, words: Sequence[str]) -> int:
    """Return the seed of the trials: the app's own, or the one on the command line; 1 where there is none."""
    typed = [word for word in words[1:] if _key(word) == app.seed_key]
    seed = dotted(replace(app, overrides=(*app.overrides, *typed)).config, app.seed_key)
    return seed if type(seed) is int else 1


def dotted(config: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key; None where there is none.

    Example:
        >>> dotted({"model": {"seed": 3}}, "model.seed"), dotted({}, "model.seed")
        (3, None)
    """
    found: Any = config
    for name in key.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _checked(app: ComparedApp) -> ComparedApp:
    """Find where the app has its specs, and check that it has what a comparison sets."""
    choices, problems = app.hydra[0], list[str]()
    prefix = "model." if "optimizer@model.optimizer" in choices else ""
    app = replace(app, prefix=prefix)
    for name, first in (("optimizer", "adamw"), (CALLBACKS, "none")):
        if app.group(name) not in choices and dotted(app.config, f"{prefix}{name}") is None:
            entry = f"`- {app.group(name)}: {first}`"
            problems.append(f"{name}: no such config group in {app.app.name}.yaml; add {entry} to its defaults list")
    if not _has(app.config, app.seed_key):
        near = did_you_mean(app.seed_key, app.config) if app.seed_key != "seed" else ""
        remedy = "add it and seed everything with it, or name the key of your seed: --seed-key model.seed"
        problems.append(f"{app.seed_key}: no such key in {app.app.name}.yaml{near or f'; {remedy}'}")
    if choices.get(RECIPE) not in (None, "null", "none"):
        rule = "sets the optimizer too; write its schedule and groups in its place: scheduler=... param_groups=..."
        problems.append(f"{RECIPE}={choices[RECIPE]}: {rule}")
    if problems:
        raise ConfigError(*problems)
    return app


def _has(config: Mapping[str, Any], key: str) -> bool:
    parent, _, name = key.rpartition(".")
    inside = dotted(config, parent) if parent else config
    return isinstance(inside, Mapping) and name in inside


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


@contextlib.contextmanager
def _one_setting() -> Iterator[None]:
    """Word Hydra's message about several values for a comparison, which is one multirun by itself."""
    try:
        yield
    except ConfigError as error:
        hint = ", or start a comparison for each of them"
        raise ConfigError(*(each.replace(", or add --multirun", hint) for each in error.problems)) from error

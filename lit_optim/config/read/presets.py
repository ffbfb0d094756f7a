"""Finds the presets, commented YAML under conf/, in a wheel and in a checkout, and reads them without Hydra."""

from __future__ import annotations

import copy
import fnmatch
import functools
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lit_optim.config.read.plain_containers import to_plain
from lit_optim.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from omegaconf import DictConfig


GROUPS = ("optimizer", "scheduler", "param_groups", "optim_callbacks", "resume")  # in the order of a configuration
REPORT = "report"  # the key of the schedule report, beside the specs
RECIPE = "recipe"  # a group whose presets set the others
SWEEP = "hparams_search"  # a group that configures Hydra's sweeper, no part of a run
_TARGET = re.compile(r"^ *_target_: *(\S+)", re.MULTILINE)


@functools.cache
def conf_folder() -> Path:
    """Find the folder of the presets: ``lit_optim/conf`` in a wheel, ``conf`` beside the package in a checkout."""
    for folder in sys.modules["lit_optim"].__path__:
        if (Path(folder) / "conf" / "__init__.py").is_file():
            return Path(folder) / "conf"
    raise ConfigError("conf: the presets are missing from this installation; reinstall lit-optim")


@functools.cache
def preset_groups() -> tuple[str, ...]:
    """List the groups that have presets: those of a configuration in its order, then others."""
    found = {entry.name for entry in conf_folder().iterdir() if entry.is_dir() and not entry.name.startswith("_")}
    found.discard(SWEEP)
    return (*(group for group in GROUPS if group in found), *sorted(found - {*GROUPS}))


@functools.cache
def preset_names(group: str) -> tuple[str, ...]:
    """List the presets of a group, sorted.

    Example:
        >>> "adamw" in preset_names("optimizer")
        True
    """
    folder = conf_folder() / group
    return tuple(sorted(str(file.relative_to(folder).with_suffix("")) for file in folder.rglob("*.yaml")))


def all_presets() -> list[tuple[str, str]]:
    """List the group and the name of every preset."""
    return [(group, name) for group in preset_groups() for name in preset_names(group)]


def presets(group: str = "optimizer", pattern: str = "*") -> dict[str, str]:
    """List presets by name, with one line on what each is.

    Args:
        group: ``optimizer``, ``scheduler``, ``param_groups``, ``optim_callbacks``, ``resume`` or ``recipe``.
        pattern: shell wildcard on the names.

    Raises:
        ConfigError: for an unknown group.

    Example:
        >>> list(presets("optimizer", "?adamw"))
        ['nadamw', 'radamw']
    """
    if group not in preset_groups():
        hint = did_you_mean(group, preset_groups(), list_all=True)
        raise ConfigError(f"group={group!r}: no group of that name{hint}")
    found = fnmatch.filter(preset_names(group), pattern)
    return {name: preset_text(group, name).split("\n", 1)[0].lstrip("# ").strip() for name in found}


def load_preset(group: str, name: str, key: str | None = None) -> dict[str, Any]:
    """Load a preset as a plain dict, with the presets that its ``defaults`` name merged in.

    Raises:
        ConfigError: for an unknown name, with the nearest one.

    Example:
        >>> load_preset("optimizer", "adamw")["betas"]
        [0.9, 0.999]
    """
    if name not in preset_names(group):
        rule = f"no preset of that name{did_you_mean(name.lower(), preset_names(group), list_all=True)}"
        raise ConfigError(f"{key or group}={name!r}: {rule}")
    return copy.deepcopy(_loaded(group, name))


def preset_needs(group: str, name: str) -> list[str]:
    """Read what a preset's header asks for (``# needs: closure, one group``), as a list."""
    found = re.search(r"^# needs: (.*)$", preset_text(group, name), re.MULTILINE)
    return [word.strip() for word in found[1].split(",")] if found else []


def target_in(text: str) -> str:
    r"""Find the import path that a preset's text names; empty where it names none.

    Example:
        >>> target_in("# Plain SGD.\n_target_: torch.optim.SGD\nlr: 0.01")
        'torch.optim.SGD'
    """
    found = _TARGET.search(text)
    return found[1] if found else ""


def preset_of_target(path: str) -> str:
    """Find the first optimizer preset of a class by its import path; empty where there is none.

    Example:
        >>> preset_of_target("torch.optim.RAdam"), preset_of_target("somewhere.Else")
        ('radam', '')
    """
    return _optimizers_by_target().get(path, "")


@functools.cache
def _optimizers_by_target() -> dict[str, str]:
    """Map import paths to presets, from the files' text: parsing all of them takes a quarter of a second."""
    folder, names = conf_folder() / "optimizer", reversed(preset_names("optimizer"))  # the first of a class wins
    found = {name: _TARGET.search((folder / f"{name}.yaml").read_text(encoding="utf-8")) for name in names}
    return {target[1]: name for name, target in found.items() if target}


@functools.cache
def _loaded(group: str, name: str) -> dict[str, Any]:
    from omegaconf import OmegaConf

    return dict(to_plain(OmegaConf.to_container(_merged(group, name), resolve=True), group))  # what is ``???`` stays so


def _merged(group: str, name: str) -> Any:
    from omegaconf import OmegaConf

    preset = cast("DictConfig", OmegaConf.load(conf_folder() / group / f"{name}.yaml"))
    defaults = preset.pop("defaults", [])
    return OmegaConf.merge(
        *(preset if entry == "_self_" else _of_default(group, entry) for entry in defaults or ["_self_"])
    )


def _of_default(group: str, entry: str) -> Any:
    """Load what an entry of ``defaults`` names: a preset of the group, or ``/optimizer/adamw@optimizer.generator``."""
    from omegaconf import OmegaConf

    path, _, package = entry.partition("@")
    other, _, name = path.strip("/").partition("/")
    if not package:
        return _merged(group, entry)
    if not name:  # the base of recipes, which clears an app's groups
        return OmegaConf.create()
    node = OmegaConf.create()
    OmegaConf.update(node, package, _merged(other, name))
    return node


@functools.cache
def preset_text(group: str, name: str) -> str:
    """Read the file of a preset, without the line that is Hydra's."""
    text = (conf_folder() / group / f"{name}.yaml").read_text(encoding="utf-8")
    return text.removeprefix("# @package _global_\n")

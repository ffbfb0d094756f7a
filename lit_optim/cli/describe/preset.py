"""Collects all that is known of a preset: its header, its keys, the same in Python and on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial, reduce
from typing import Any

from lit_optim.cli.config_value import as_config_value
from lit_optim.cli.describe import python_snippet
from lit_optim.cli.describe.keys import Key, keys_of_call, keys_of_mapping, keys_of_rules, keys_of_schedule
from lit_optim.cli.list import preset_data
from lit_optim.config.capabilities import capabilities
from lit_optim.config.checks.keyword_arguments import check_call
from lit_optim.config.checks.locate import locate
from lit_optim.config.read import presets
from lit_optim.config.read.preset_header import Header, header, key_comments
from lit_optim.config.read.spec import DEFAULT_TARGETS, HYDRA_KEYS
from lit_optim.errors import ConfigError, Problems, did_you_mean
from lit_optim.imports import import_object

# what a target must derive from, beside callbacks of either Lightning
BASES = {"optimizer": "torch.optim.Optimizer", "scheduler": "torch.optim.lr_scheduler.LRScheduler"}


def find_presets(name: str) -> list[tuple[str, str]]:
    """Find group and name of all presets that ``name`` may mean.

    Example:
        >>> find_presets("none"), find_presets("optimizer/adamw"), find_presets("optimizer=adamw")
        ([('scheduler', 'none'), ('optim_callbacks', 'none')], [('optimizer', 'adamw')], [('optimizer', 'adamw')])
        >>> find_presets("AdamW")
        [('optimizer', 'adamw')]
        >>> find_presets("adamx")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: info 'adamx': no preset of that name; did you mean 'adamax'?
    """
    every, wanted = presets.all_presets(), name.replace("=", "/").lower()
    found = [(group, preset) for group, preset in every if wanted in (preset.lower(), f"{group}/{preset}".lower())]
    if not found:
        options = [f"{group}/{preset}" if "/" in name else preset for group, preset in every]
        raise ConfigError(f"info {name!r}: no preset of that name{did_you_mean(name.lower(), options)}")
    return found


def info(group: str, name: str) -> dict[str, Any]:
    r"""Collect everything about one preset; ``missing`` says why its class could not be read.

    Example:
        >>> info("optimizer", "sgd")["python"]
        'import torch\n\noptimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.0, weight_decay=0.0)'
    """
    head, preset, comments = header(group, name), presets.load_preset(group, name), key_comments(group, name)
    missing = None
    try:
        keys, python = _keys_and_python(head, preset, comments)
    except ConfigError as error:
        keys, python, missing = keys_of_mapping(preset, comments), "", str(error)
    measured = capabilities(name).measured if group == "optimizer" else None
    return {
        **preset_data(head),
        "measured": measured and asdict(measured),
        "paper": head.paper or None,
        "source": head.source or None,
        "search": head.search or None,
        "untested": head.untested or None,
        "checked": head.checked or None,
        "clip": head.clip or None,
        "second": head.second or None,
        "missing": missing,
        "keys": keys,
        "python": python or None,
        "command_line": _command_line(f"{group}={name}", group, keys),
    }


def _command_line(choice: str, group: str, keys: Sequence[Key]) -> str:
    """Write the words that choose the preset and set one of its values."""
    inside = "" if group == presets.RECIPE else f"{group}."  # a recipe's keys are those of the groups that it sets
    for key in keys:
        if key.in_preset and isinstance(key.preset, (int, float, str)) and "[" not in key.key:
            return f"python train.py {choice} {inside}{key.key}={as_config_value(key.preset)}"
    return f"python train.py {choice}"


def _keys_and_python(head: Header, preset: Mapping[str, Any], comments: Mapping[str, str]) -> tuple[list[Key], str]:
    group, target, given = head.group, head.target, _arguments(preset)
    if group == "optimizer":
        cls = _class(target, group)
        checked = check_call(cls, given, group, Problems(), supplied=1)
        return keys_of_call(cls, given, comments, supplied=1), python_snippet.optimizer(target, checked)
    if group == "scheduler":
        cls, own = _class(target, group), target == DEFAULT_TARGETS[group]
        named = keys_of_schedule(cls, given, comments) if own else keys_of_call(cls, given, comments, supplied=1)
        return named, python_snippet.scheduler(target, given, own=own)
    if group == "param_groups":
        return keys_of_rules(preset, comments), python_snippet.param_groups(preset)
    if group == "optim_callbacks":
        keys: list[Key] = []
        calls: list[tuple[str, Mapping[str, Any]]] = []
        for name, entry in preset.items():
            given, cls = _arguments(entry), _class(entry["_target_"], group)
            keys += keys_of_call(cls, given, comments, prefix=f"{name}.")
            calls.append((entry["_target_"], check_call(cls, given, name, Problems())))
        return keys, python_snippet.callbacks(calls)
    if group == presets.RECIPE:
        return _commented(preset, comments), python_snippet.recipe_specs(head.name)
    return keys_of_mapping(preset, comments), ""


def _commented(preset: Mapping[str, Any], comments: Mapping[str, str]) -> list[Key]:
    """List what a recipe changes in the presets of other groups: the keys that have a comment in its file."""
    values = {path: reduce(lambda inside, key: inside[key], path.split("."), preset) for path in comments}
    kinds = {path: type(value).__name__ for path, value in values.items()}
    return [Key(path, kinds[path], in_preset=True, preset=values[path], meaning=comments[path]) for path in comments]


def _class(path: str, group: str) -> type:
    if group in BASES:
        return locate(path, import_object(BASES[group], group), group)
    from lit_optim.lightning_api import lightning_classes

    return locate(path, partial(lightning_classes, "Callback"), group)


def _arguments(preset: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in preset.items() if name not in HYDRA_KEYS}

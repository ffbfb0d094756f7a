"""All that is known of a preset: its header, its keys, the same in Python and on the command line."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lit_optim.cli import python_snippet as equivalent
from lit_optim.cli.config_value import as_config_value
from lit_optim.cli.keys import HYDRAS, Key, of_call, of_mapping, of_rules, of_schedule
from lit_optim.config.capabilities import capabilities
from lit_optim.config.checks.call import check_call
from lit_optim.config.checks.locate import locate
from lit_optim.config.read import presets
from lit_optim.config.read.preset_header import Header, header, key_comments
from lit_optim.errors import ConfigError, Problems, did_you_mean

OWN_SCHEDULER = "lit_optim.ScheduleLR"
BASES = {  # what a target must derive from
    "optimizer": "torch.optim.Optimizer",
    "scheduler": "torch.optim.lr_scheduler.LRScheduler",
    "optim_callbacks": "lightning.pytorch.Callback",
}


@dataclass(frozen=True)
class Info:
    """What is shown of a preset; ``missing`` says why its class could not be read."""

    header: Header
    keys: list[Key]
    python: str
    missing: str = ""

    @property
    def measured(self) -> dict[str, Any] | None:
        """What an optimizer can do, by column of the capability table; None where nobody could try, and for others."""
        found = capabilities(self.header.name).measured if self.header.group == "optimizer" else None
        return None if found is None else asdict(found)

    @property
    def command_line(self) -> str:
        """The preset, and one of its values, as typed."""
        chosen = f"python train.py {self.header.group}={self.header.name}"
        named = [key for key in self.keys if key.named and isinstance(key.preset, (int, float, str))]
        first = next((key for key in named if "[" not in key.key), None)
        return chosen if first is None else f"{chosen} {self.header.group}.{first.key}={as_config_value(first.preset)}"


def named(name: str) -> list[tuple[str, str]]:
    """Group and name of all presets that ``name`` may mean.

    Example:
        >>> named("none"), named("optimizer/adamw")
        ([('scheduler', 'none'), ('optim_callbacks', 'none')], [('optimizer', 'adamw')])
        >>> named("adamx")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: info 'adamx': no preset of that name; did you mean 'adamax'?
    """
    every = [(group, preset) for group in presets.preset_groups() for preset in presets.preset_names(group)]
    found = [(group, preset) for group, preset in every if name in (preset, f"{group}/{preset}")]
    if not found:
        options = [f"{group}/{preset}" if "/" in name else preset for group, preset in every]
        raise ConfigError(f"info {name!r}: no preset of that name{did_you_mean(name.lower(), options)}")
    return found


def info(group: str, name: str) -> Info:
    r"""Everything about one preset.

    Example:
        >>> info("optimizer", "sgd").python
        'import torch\n\noptimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.0, weight_decay=0.0)'
    """
    head, preset, comments = header(group, name), presets.load_preset(group, name), key_comments(group, name)
    given = _arguments(preset)
    try:
        if group == "optimizer":
            cls = _class(head.target, group)
            checked = check_call(cls, given, group, Problems(), supplied=1)
            return Info(head, of_call(cls, given, comments, supplied=1), equivalent.optimizer(head.target, checked))
        if group == "scheduler":
            cls, own = _class(head.target, group), head.target == OWN_SCHEDULER
            keys = of_schedule(cls, given, comments) if own else of_call(cls, given, comments, supplied=1)
            return Info(head, keys, equivalent.scheduler(head.target, given, own=own))
        if group == "param_groups":
            return Info(head, of_rules(preset, comments), equivalent.param_groups(preset.get("rules", [])))
        if group == "optim_callbacks":
            return _callbacks(head, preset, comments)
    except ConfigError as error:
        return Info(head, of_mapping(preset, comments), "", f"{error}")
    return Info(head, of_mapping(preset, comments), "")


def _callbacks(head: Header, preset: dict[str, Any], comments: Mapping[str, str]) -> Info:
    keys: list[Key] = []
    calls: list[tuple[str, Mapping[str, Any]]] = []
    for name, entry in preset.items():
        given, path = _arguments(entry), entry["_target_"]
        cls = _class(path, head.group)
        keys += of_call(cls, given, comments, prefix=f"{name}.")
        calls.append((path, check_call(cls, given, name, Problems())))
    return Info(head, keys, equivalent.callbacks(calls))


def _class(path: str, group: str) -> type:
    module, _, name = BASES[group].rpartition(".")
    return locate(path, getattr(importlib.import_module(module), name), group)


def _arguments(preset: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in preset.items() if name not in HYDRAS}

"""Read the phases of a scheduler's configuration: warmup, main, cooldown, or a chain of named phases."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lit_optim.errors import ConfigError, wrong
from lit_optim.schedules.plan.named_phases import phases_in_order

SLOTS = ("warmup", "main", "cooldown")
DEFAULT_SHAPES = {"warmup": "linear", "main": "constant", "cooldown": "linear"}
SLOT_KEYS = ("steps", "shape", "min_lr", "max_lr")  # beside the shape's own arguments


@dataclass(frozen=True)
class PhaseConfig:
    """Holds the configuration of one phase.

    Args:
        name: ``warmup``, ``main``, ``cooldown``, or the user's.
        key: dotted name of the phase.
        options: ``steps``, ``shape`` and its arguments.
    """

    name: str
    key: str
    options: Mapping[str, Any]

    @property
    def steps(self) -> Any:
        """Return the duration; None if the phase takes the remaining steps."""
        return self.options.get("steps")

    @property
    def shape_name(self) -> str:
        """Return the shape's name, for pictures; of a path or a function its last part."""
        shape = self.options.get("shape", self.name)
        return str(getattr(shape, "__name__", shape)).rpartition(".")[2]

    @property
    def is_warmup(self) -> bool:
        """Return whether the phase ends at factor 1."""
        return self.name == "warmup"

    @property
    def steps_key(self) -> str:
        """Return the dotted key of the duration, which may be a number in place of the phase's mapping."""
        return self.key if "phases" not in self.key.split(".") and self.name != "main" else f"{self.key}.steps"


def slot(value: Any, name: str) -> dict[str, Any]:
    """Return a slot with its default shape and length; a scalar in place of the mapping is its duration.

    Example:
        >>> slot("5%", "warmup")
        {'shape': 'linear', 'steps': '5%'}
    """
    if name == "main" and not isinstance(value, Mapping) and value is not None:
        if value in importlib.import_module("lit_optim.schedules").shape_names():
            raise ConfigError(wrong("scheduler.main", value, f"expects a mapping; write main.shape={value}"))
        rule = f"a length in place of the whole slot drops its shape; write main.steps={value}, or {{shape: cosine}}"
        raise ConfigError(wrong("scheduler.main", value, rule))
    given = dict(value) if isinstance(value, Mapping) else {} if value is None else {"steps": value}
    default: dict[str, Any] = {"shape": DEFAULT_SHAPES[name]}
    if name != "main":
        default["steps"] = 0
    return {**default, **given}


def phase_configs(config: Mapping[str, Any], key: str) -> list[PhaseConfig]:
    """List the phases of a schedule in their order.

    Args:
        config: ``warmup``, ``main``, ``cooldown``, or ``phases`` and ``order``.
        key: dotted name of the schedule.

    Raises:
        ConfigError: for phases and an order that do not go together.

    Example:
        >>> [phase.name for phase in phase_configs({"warmup": 5, "main": {"shape": "cosine"}}, "scheduler")]
        ['warmup', 'main', 'cooldown']
    """
    if config.get("phases"):
        named, prefix = phases_in_order(config, SLOTS, key), f"{key}.phases"
    elif config.get("order"):
        raise ConfigError(wrong(f"{key}.order", config["order"], "there are no phases to be put in order"))
    else:
        named, prefix = {name: slot(config.get(name), name) for name in SLOTS}, key
    return [PhaseConfig(name, f"{prefix}.{name}", options) for name, options in named.items()]

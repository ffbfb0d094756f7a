"""Read ``phases`` and ``order`` of a configuration: a chain of any number of phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lit_optim.errors import ConfigError, did_you_mean, wrong

REST = (None, "rest")


def phases_in_order(config: Mapping[str, Any], slots: Sequence[str], key: str) -> dict[str, dict[str, Any]]:
    """Return the options of the phases in order, without ``steps`` for the one that takes the rest.

    Args:
        config: with ``phases`` (name -> shape, steps, arguments) and ``order`` (names).
        slots: names of the slots, which must be empty beside ``phases``.
        key: dotted name of the scheduler.

    Raises:
        ConfigError: if there is no order, or one that does not name each phase once; if a slot is filled as well.

    Example:
        >>> config = {"phases": {"b": {"steps": "rest", "shape": "cosine"}, "a": {"steps": 5}}, "order": ["a", "b"]}
        >>> phases_in_order(config, (), "scheduler")
        {'a': {'shape': 'constant', 'steps': 5}, 'b': {'shape': 'cosine'}}
    """
    phases, order = config["phases"], config.get("order")
    if not isinstance(phases, Mapping):
        raise ConfigError(wrong(f"{key}.phases", phases, "expects a mapping name -> {steps: 5%, shape: linear}"))
    names = [str(name) for name in phases]
    for name in slots:
        if _is_filled(config.get(name)):
            raise ConfigError(wrong(f"{key}.{name}", config[name], "give either the three slots, or phases and order"))
    if not isinstance(order, (list, tuple)) or not order:
        raise ConfigError(wrong(f"{key}.order", order, f"write the order of the phases: [{', '.join(names)}]"))
    for name in order:
        if name not in phases:
            rule = f"no such phase{did_you_mean(str(name), names, list_all=True)}"
            raise ConfigError(wrong(f"{key}.order", name, rule))
    if len(set(order)) != len(order) or len(order) != len(names):
        raise ConfigError(wrong(f"{key}.order", list(order), f"must name each of {', '.join(names)} once"))
    chain = {str(name): _phase(phases[name], f"{key}.phases.{name}") for name in order}
    rests = [name for name, options in chain.items() if "steps" not in options]
    if len(rests) > 1:
        rule = f"only one phase can take what is left, and {rests[0]} does; give it a length, e.g. 10%"
        raise ConfigError(f"{key}.phases.{rests[1]}.steps: {rule}")
    return chain


def _phase(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(wrong(key, value, "expects a mapping, e.g. {steps: 5%, shape: linear}"))
    options = {"shape": "linear" if key.endswith(".warmup") else "constant", **value}
    return {k: v for k, v in options.items() if k != "steps" or v not in REST}


def _is_filled(slot: Any) -> bool:
    """Return whether a slot is used: presets hold all three."""
    if isinstance(slot, Mapping):
        return slot.get("steps", 0) not in (0, None) or slot.get("shape", "constant") not in ("constant", "linear")
    return bool(slot)

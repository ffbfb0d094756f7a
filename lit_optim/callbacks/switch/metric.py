"""Read the metric and the plateau at which an optimizer is replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.schedules.shapes.plateau import Plateau, plateau

KEYS = ("monitor", "mode", "patience", "threshold", "threshold_mode", "cooldown")


def read_on_metric(on_metric: Any) -> tuple[str, Plateau]:
    """Read the name of a metric, and the plateau at which an optimizer is replaced.

    Args:
        on_metric: ``monitor``; and as those of `plateau` ``mode``, ``patience``, ``threshold``, ``threshold_mode``,
            ``cooldown``.

    Raises:
        ConfigError: for anything else.

    Example:
        >>> read_on_metric({"monitor": "val/loss", "patience": 3})[0]
        'val/loss'
    """
    if not isinstance(on_metric, Mapping) or not isinstance(on_metric.get("monitor"), str):
        raise ConfigError(wrong("on_metric", on_metric, "write e.g. {monitor: val/loss, patience: 3}"))
    for name in on_metric:
        if name not in KEYS:
            raise ConfigError(f"on_metric.{name}: no such key{did_you_mean(str(name), KEYS, list_all=True)}")
    options = {"mode": "min", **on_metric, "eps": 0.0}
    if options["mode"] not in ("min", "max"):
        raise ConfigError(wrong("on_metric.mode", options["mode"], "must be min or max"))
    try:
        return options.pop("monitor"), plateau(**options)
    except (ConfigError, TypeError) as error:
        raise ConfigError(f"on_metric.{error}") from None

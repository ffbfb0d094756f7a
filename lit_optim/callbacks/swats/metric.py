from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_optim.callbacks.metric_feeder import MetricFeeder
from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.lightning_api import Trainer
from lit_optim.optimizers.swats.optimizer import SWATS
from lit_optim.schedules.shapes.plateau import PlateauState, plateau

KEYS = ("monitor", "mode", "patience", "threshold", "threshold_mode", "cooldown")


class SwitchOnMetric(MetricFeeder):
    """Switches where a plateau would reduce the learning rate.

    Args:
        on_metric: ``monitor``; and as those of `plateau` ``mode``, ``patience``, ``threshold``, ``threshold_mode``,
            ``cooldown``.

    Raises:
        ConfigError: for anything else.

    Example:
        >>> SwitchOnMetric({"monitor": "val/loss", "patience": 3}).monitor
        'val/loss'
    """

    key = "optim_callbacks.swats.on_metric.monitor"
    taker = "the switch of SWATS"

    def __init__(self, on_metric: Any) -> None:
        if not isinstance(on_metric, Mapping) or not isinstance(on_metric.get("monitor"), str):
            raise ConfigError(wrong("on_metric", on_metric, "write e.g. {monitor: val/loss, patience: 3}"))
        super().__init__(on_metric["monitor"])
        for name in on_metric:
            if name not in KEYS:
                raise ConfigError(f"on_metric.{name}: no such key{did_you_mean(str(name), KEYS, list_all=True)}")
        mode = on_metric.get("mode", "min")
        if mode not in ("min", "max"):
            raise ConfigError(wrong("on_metric.mode", mode, "must be min or max"))
        try:
            self.watch = plateau(**{**{k: v for k, v in on_metric.items() if k != "monitor"}, "eps": 0.0})
        except (ConfigError, TypeError) as error:
            raise ConfigError(f"on_metric.{error}") from None
        self.watched = PlateauState()

    def feed(self, trainer: Trainer, value: float) -> None:
        """Counts values without improvement."""
        self.watched = self.watch.observe(self.watched, value)
        for optimizer in trainer.optimizers:
            if self.watched.scale < 1 and isinstance(optimizer, SWATS):
                optimizer.switch()

    def state_dict(self) -> dict[str, Any]:
        """What is known of the metric."""
        return {**super().state_dict(), "watched": self.watched._asdict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores it."""
        super().load_state_dict(state_dict)
        self.watched = PlateauState(**state_dict["watched"])

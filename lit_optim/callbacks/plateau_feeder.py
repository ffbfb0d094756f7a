from __future__ import annotations

from collections.abc import Mapping

from lit_optim.callbacks.metric_feeder import MetricFeeder
from lit_optim.lightning_api import Callback, Trainer
from lit_optim.scheduler.schedule_lr import ScheduleLR


class PlateauFeeder(MetricFeeder):
    """Feeds a logged metric to the plateaus that follow it.

    Args:
        monitor: name of the metric.
        key: dotted name of that setting.
    """

    taker = "the plateau"

    def __init__(self, monitor: str | None, key: str = "scheduler.monitor") -> None:
        super().__init__(monitor)
        self.key = key

    @property
    def state_key(self) -> str:
        """Return the key in checkpoints, another one for each of several feeders."""
        return super().state_key if self.key == "scheduler.monitor" else self._generate_state_key(key=self.key)

    def feed(self, trainer: Trainer, value: float) -> None:
        """Steps the schedules that follow this metric by one more value."""
        for config in trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, ScheduleLR) and config.scheduler.monitor == self.monitor:
                config.scheduler.step_metric(value)


def plateau_feeders(metrics: Mapping[str, str]) -> list[Callback]:
    """Return a feeder for each metric.

    Args:
        metrics: by the dotted name of the scheduler that follows it.

    Example:
        >>> feeders = plateau_feeders({"scheduler.a": "val/a", "scheduler.b": "val/b", "scheduler.c": "val/a"})
        >>> [feeder.key for feeder in feeders]
        ['scheduler.a.monitor', 'scheduler.b.monitor']
    """
    first: dict[str, str] = {}
    for scheduler, metric in metrics.items():
        first.setdefault(metric, f"{scheduler}.monitor")
    return [PlateauFeeder(metric, key) for metric, key in first.items()]

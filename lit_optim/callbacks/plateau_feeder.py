from __future__ import annotations

from collections.abc import Mapping

from lit_optim.callbacks.metric_feeder import MetricFeeder
from lit_optim.lightning_api import Callback, Trainer
from lit_optim.scheduler.schedule_lr import ScheduleLR


class PlateauFeeder(MetricFeeder):
    """Feeds a logged metric to the plateaus that follow it.

    Args:
        monitor: name of the logged metric.
        strict: raise where the metric is not logged; False: warn, and leave the plateau as it is.
        key: dotted name of the setting that names the metric.
    """

    taker = "the plateau"

    def __init__(self, monitor: str | None, strict: bool = True, key: str = "scheduler.monitor") -> None:
        super().__init__(monitor)
        self.strict, self.key = strict, key

    @property
    def state_key(self) -> str:
        """Return the key in checkpoints, another one for each of several feeders."""
        return super().state_key if self.key == "scheduler.monitor" else self._generate_state_key(key=self.key)

    def feed(self, trainer: Trainer, value: float) -> None:
        """Steps the schedules that follow this metric by one more value."""
        for config in trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, ScheduleLR) and config.scheduler.monitor == self.monitor:
                config.scheduler.step_metric(value)


def plateau_feeders(metrics: Mapping[str, tuple[str, bool]]) -> list[Callback]:
    """Return a feeder for each metric.

    Args:
        metrics: with whether it has to be logged, by the dotted name of the scheduler that follows it.

    Example:
        >>> metrics = {"scheduler.a": ("val/a", True), "scheduler.b": ("val/b", True), "scheduler.c": ("val/a", True)}
        >>> [feeder.key for feeder in plateau_feeders(metrics)]
        ['scheduler.a.monitor', 'scheduler.b.monitor']
    """
    first: dict[str, PlateauFeeder] = {}
    for scheduler, (metric, strict) in metrics.items():
        first.setdefault(metric, PlateauFeeder(metric, strict, f"{scheduler}.monitor"))
    return [*first.values()]

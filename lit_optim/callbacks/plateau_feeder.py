from __future__ import annotations

from lit_optim.callbacks.metric_feeder import MetricFeeder
from lit_optim.lightning_api import Trainer
from lit_optim.scheduler.schedule_lr import ScheduleLR


class PlateauFeeder(MetricFeeder):
    """Feeds a logged metric to the plateau of a `ScheduleLR`.

    Args:
        monitor: name of the logged metric.
        strict: raise where the metric is not logged; False: warn, and leave the plateau as it is.
    """

    key = "scheduler.monitor"
    taker = "the plateau"

    def __init__(self, monitor: str | None, strict: bool = True) -> None:
        super().__init__(monitor)
        self.strict = strict

    def feed(self, trainer: Trainer, value: float) -> None:
        """Steps the schedules of all optimizers by one more value."""
        for config in trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, ScheduleLR):
                config.scheduler.step_metric(value)

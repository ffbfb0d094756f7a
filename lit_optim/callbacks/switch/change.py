"""Changes the optimizer at a time, or when a metric stops improving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from torch.optim import Optimizer

from lit_optim.callbacks.metric_feeder import MetricFeeder
from lit_optim.callbacks.protocol import OptimizerCallback
from lit_optim.callbacks.switch.metric import read_on_metric
from lit_optim.duration import RunLength, parse
from lit_optim.errors import ConfigError, wrong
from lit_optim.lightning_api import Trainer, rank_zero_warn
from lit_optim.schedules.shapes.plateau import PlateauState

NEVER = "never"
O = TypeVar("O", bound=Optimizer)  # noqa: E741 - an optimizer


class ChangeOfOptimizer(MetricFeeder, OptimizerCallback, Generic[O]):
    """What the callbacks share that change the optimizer.

    Args:
        at: a duration (500, 60%, 3ep) after which it changes; ``never``: only the metric counts.
        on_metric: the metric, and the plateau at which it changes; empty: none.

    Attributes:
        optimizer_class: the class that can change.
        built_by_hand: what to write where there is none.
        from_start: what to write in place of ``at=0``.
    """

    optimizer_class: type[O]
    built_by_hand: ClassVar[str]
    from_start: ClassVar[str]
    one_optimizer = True

    def __init__(self, at: Any, on_metric: Mapping[str, Any] | None) -> None:
        self.at = None if at is None or at == NEVER else parse(at, "at")
        if self.at is not None and self.at.amount == 0:
            raise ConfigError(wrong("at", at, f"must be after the first step; {self.from_start}"))
        watched = None if on_metric is None or on_metric == {} else read_on_metric(on_metric)
        self.on_metric = on_metric
        self.plateau, self.plateau_state = watched and watched[1], PlateauState()
        super().__init__(watched and watched[0])
        self._due: int | None = None

    def change(self, trainer: Trainer) -> None:
        """Change the optimizer, unless that is done."""
        raise NotImplementedError

    def set_due(self, trainer: Trainer, run: RunLength) -> None:
        """Find the optimizer step after which it changes, and warn where that never comes."""
        if self.at is None:
            return
        key = f"{self.key.removesuffix('on_metric.monitor')}at"
        self._due = self.at.steps(run, key)
        if run.total_steps is not None and self._due >= run.total_steps and not is_short(trainer):
            rank_zero_warn(
                f"{key}: a change after {self._due} optimizer steps never comes, the run has {run.total_steps}; write "
                "a share of it, e.g. at=60%"
            )

    def feed(self, trainer: Trainer, value: float) -> None:
        """Change the optimizer if the metric has stopped improving."""
        assert self.plateau is not None
        self.plateau_state = self.plateau.observe(self.plateau_state, value)
        if self.plateau_state.scale < 1:
            self.change(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the metric's plateau; the rest is in the optimizer's state."""
        return {} if self.monitor is None else {**super().state_dict(), "watched": self.plateau_state._asdict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of the metric's plateau."""
        if self.monitor is not None and state_dict:
            super().load_state_dict(state_dict)
            self.plateau_state = PlateauState(**state_dict["watched"])

    def optimizer_of(self, trainer: Trainer) -> O:
        """Return the optimizer that can change.

        Raises:
            ConfigError: where there is none, or another beside it.
        """
        found = trainer.optimizers
        if len(found) != 1 or not isinstance(found[0], self.optimizer_class):
            names = ", ".join(type(optimizer).__name__ for optimizer in found) or "none"
            raise ConfigError(f"{self.built_by_hand}; here it is {names}")
        return found[0]


def is_short(trainer: Trainer) -> bool:
    """Return whether this is a run of a few batches, which tries the code."""
    return bool(trainer.fast_dev_run)  # type: ignore[attr-defined]  # set by a connector

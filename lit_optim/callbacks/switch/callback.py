from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from lit_optim.callbacks.switch.change import ChangeOfOptimizer
from lit_optim.callbacks.switch.foreign_schedulers import reject_overwriting
from lit_optim.config.build.optimizer import check_optimizer
from lit_optim.config.capabilities import capabilities_of_target
from lit_optim.config.checks.locate import locate_class_or_factory
from lit_optim.config.read.spec import Spec, read_spec
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import LightningModule, Trainer, rank_zero_info
from lit_optim.optimizers.switched.arguments import read_lr, reason_against
from lit_optim.optimizers.switched.optimizer import Switched
from lit_optim.param_groups import Grouping
from lit_optim.scheduler.run_length import run_length
from lit_optim.scheduler.schedule_lr import ScheduleLR

OWN = "own"


class Switch(ChangeOfOptimizer[Switched]):
    """Replaces the optimizer by one of another class, at a time or when a metric stops improving.

    Both are one object, `lit_optim.optimizers.Switched`, which the mixin builds: checkpoints from before and after the
    change resume exactly, also sharded ones. State of equal meaning goes on, else the new class begins anew. The
    schedule goes on with its factor, from the new initial lr; param groups keep the ratios of their lrs, and their own
    values.

    Args:
        to: any spec of an optimizer that takes its steps without a closure.
        at: a duration (500, 60%, 3ep) after which ``to`` takes over; ``never``: the metric decides alone.
        on_metric: change when a metric of validation stops improving: ``monitor``, ``mode``, ``patience``,
            ``threshold``, ``threshold_mode``, ``cooldown``; empty: do not.
        lr: absolute initial learning rate of ``to``, or a factor of what it was (``x0.1``); ``own``: that of its spec.

    Raises:
        ConfigError: for values out of range, and for optimizers that cannot change.

    Example:
        >>> Switch(to="sgd", at="60%", lr="x10").to.cls.__name__
        'SGD'
    """

    key = "optim_callbacks.switch.on_metric.monitor"
    taker = "the change of the optimizer"
    optimizer_class = Switched
    built_by_hand = (
        "optim_callbacks=switch needs an optimizer that can change its class: ConfigureOptimizersMixin builds it; by "
        "hand, return lit_optim.optimizers.Switched(optimizer, torch.optim.SGD, {...}, lr=...)"
    )
    from_start = "write it as the optimizer itself"
    single: ClassVar[bool] = True

    def __init__(
        self, to: Any, at: Any = None, on_metric: Mapping[str, Any] | None = None, lr: float | str = OWN
    ) -> None:
        self.to = check_optimizer(read_spec(to, "optimizer", "to"))
        if not isinstance(self.to.cls, type):
            raise ConfigError(f"to={self.to.spec.path}: is a function; name a class")
        if (why := _reason_against(self.to.cls, self.to.spec)) is not None:
            raise ConfigError(f"to={self.to.spec.path}: {why}")
        self.lr = None if lr is None or lr == OWN else lr
        read_lr(self.lr, 0.0)
        super().__init__(at, on_metric)
        if self.at is None and self.monitor is None:
            raise ConfigError("at=never: nothing would change; write e.g. at=60% or on_metric={monitor: val/loss}")

    def replace_spec(self, spec: Spec) -> Spec:
        """Reject an optimizer that cannot be replaced in mid-run."""
        cls = locate_class_or_factory(spec.target, torch.optim.Optimizer, spec.key)
        if isinstance(cls, type) and (why := _reason_against(cls, spec)) is not None:
            raise ConfigError(f"{spec.key}={spec.path}: {why}; remove optim_callbacks.switch")
        return spec

    def replace_grouping(self, grouping: Grouping) -> Grouping:
        """Reject factors of the width, which are those of one class."""
        if grouping.mup:
            rule = "scales each group for one class of optimizer, and optim_callbacks.switch changes it; remove one"
            raise ConfigError(f"{grouping.mup.key}: {rule}")
        return grouping

    def replace_optimizer(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """Return the optimizer that can change its class."""
        try:
            return Switched(optimizer, self.to.cls, self.to.arguments, self.lr)
        except ConfigError as error:
            raise ConfigError(*(f"optim_callbacks.switch.{problem}" for problem in error.problems)) from error

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reject what cannot work, before a first step is taken."""
        optimizer, run = self.optimizer_of(trainer), run_length(trainer)
        schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
        reject_overwriting(schedulers, run.total_steps, "the old one", "the new one")
        driven = {value.key for each in schedulers if isinstance(each, ScheduleLR) for value in each.driven_values}
        for key in sorted(driven):
            if key.partition("[")[0] not in optimizer.own[1]:
                rule = f"{type(optimizer.inner[1]).__name__} of optim_callbacks.switch.to has no such value; remove it"
                raise ConfigError(f"scheduler.drive.{key}: {rule}")
        self.set_due(trainer, run)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Warn where the metric cannot be followed exactly, unless the change has taken place."""
        self._switch_if_due(trainer)  # of a checkpoint without a change, from after its time
        if self.monitor is not None and not self.optimizer_of(trainer).switched:
            super().on_train_start(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Change the optimizer after its last step, before a checkpoint of that step is written."""
        self._switch_if_due(trainer)

    def phase(self, trainer: Trainer) -> str:
        """Name the class that takes the steps."""
        return type(self.optimizer_of(trainer).active).__name__

    def _switch_if_due(self, trainer: Trainer) -> None:
        if self._due is not None and trainer.global_step >= self._due:
            self._due = None
            self.change(trainer)

    def change(self, trainer: Trainer) -> None:
        """Let the new class take over, and say so."""
        optimizer = self.optimizer_of(trainer)
        if optimizer.switched:
            return
        before, after = (type(each).__name__ for each in optimizer.inner)
        state = "its state goes on" if optimizer.switch() else "its state begins anew"
        for config in trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, ScheduleLR):
                config.scheduler.rewrite()  # to the last bit what a resumed run writes
        lr = float(optimizer.param_groups[0]["lr"])
        rank_zero_info(
            f"{after} in place of {before} from optimizer step {trainer.global_step + 1} on: lr {lr:.3g}, {state}"
        )


def _reason_against(cls: type[torch.optim.Optimizer], spec: Spec) -> str | None:
    needs = capabilities_of_target(spec.path)
    if needs.closure or needs.second_order:
        return "takes its steps by a closure, or from second derivatives, so that no other can take over"
    return reason_against(cls)

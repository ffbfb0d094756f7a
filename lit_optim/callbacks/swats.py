from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from lit_optim.callbacks.swats_report import History
from lit_optim.duration import parse
from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.optimizers.swats import SWATS as Optimizer
from lit_optim.optimizers.swats_estimate import Estimate, distance
from lit_optim.schedules.shapes.plateau import Plateau, PlateauState, plateau
from lit_optim.trainer_clock import trainer_clock

METRIC_KEYS = ("monitor", "mode", "patience", "threshold", "threshold_mode", "cooldown")
BUILT_BY_HAND = (
    "optim_callbacks=swats needs one optimizer that can be both: with ConfigureOptimizersMixin it is built from "
    "optimizer=adam, adamw or amsgrad; by hand, return lit_optim.optimizers.SWATS(params, lr=...)"
)


class SWATS(Callback):
    """Switches from Adam to SGD: when the estimate of SGD's learning rate has settled, at a time, or on a metric.

    The mathematics, and what the options mean, is in `lit_optim.optimizers.SWATS`, which the mixin builds from the
    configured Adam. This decides what the optimizer cannot know, and reports: ``swats/gamma``, ``swats/sgd_lr``,
    ``swats/distance`` to the loggers, the phase in the progress bar, and ``swats.csv`` with a picture of the estimate.

    Args:
        switch_tol: absolute tolerance of the criterion; the paper's 1e-9 practically never fires with minibatch noise,
            1e-5 does.
        switch_rtol: tolerance relative to the estimate of one step; the larger of the two counts.
        min_steps: optimizer steps of Adam at least.
        scope: ``global``, or ``group``: an estimate for each param group.
        max_sgd_lr: cap on SGD's learning rate; None: none.
        normalize_by_lr: estimate relative to Adam's lr, for a schedule that moves it.
        follow_schedule: whether the schedule goes on from SGD's lr.
        at: a duration (500, 50%, 3ep) after which SGD takes over, whatever the estimate; None: by the criterion alone.
        on_metric: switch when a metric of validation stops improving: ``monitor``, ``mode``, ``patience``,
            ``threshold``, ``threshold_mode``, ``cooldown``; None: do not.
        compile: one compiled kernel for Adam's step with its dot products.
        folder: where the report goes; a relative one lies in the Trainer's ``default_root_dir``.

    Raises:
        ConfigError: for values out of range, and at fit start for an optimizer that is no SWATS.

    Example:
        >>> SWATS(switch_tol=1e-5, at="50%").options["switch_tol"]
        1e-05

    Keskar & Socher 2017, arXiv:1712.07628.
    """

    def __init__(
        self,
        switch_tol: float = 1e-9,
        switch_rtol: float = 0.0,
        min_steps: int = 2,
        scope: Literal["global", "group"] = "global",
        max_sgd_lr: float | None = None,
        normalize_by_lr: bool = False,
        follow_schedule: bool = True,
        at: Any = None,
        on_metric: Mapping[str, Any] | None = None,
        compile: bool = False,
        folder: str | Path = "optim",
    ) -> None:
        options: dict[str, Any] = dict(switch_tol=switch_tol, switch_rtol=switch_rtol, min_steps=min_steps, scope=scope)
        options |= dict(max_sgd_lr=max_sgd_lr, normalize_by_lr=normalize_by_lr, follow_schedule=follow_schedule)
        self.options: dict[str, Any] = {**options, **({"compile": True} if compile else {})}
        Optimizer([torch.zeros(1)], **self.options)  # refuses what is out of range
        self.at = None if at is None else parse(at, "at")
        if self.at is not None and self.at.amount == 0:
            raise ConfigError(
                wrong("at", at, "must be a time after the first step; SGD from the start is optimizer=sgd")
            )
        self.monitor, self.plateau = _watched(on_metric)
        self.watched = PlateauState()
        self.folder = Path(folder)
        self._history = History()
        self._due: int | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finds the optimizer, and the step at which it is to switch; everything has been restored by now."""
        optimizer = self._optimizer(trainer)
        for group in optimizer.param_groups:
            group["replicated"] = trainer.world_size > 1
        if self.at is not None:
            steps = self.at.steps(trainer_clock(trainer), "optim_callbacks.swats.at")
            self._due = max(steps, optimizer.param_groups[0]["min_steps"])
        self._history = History()
        self._show_phase(pl_module, optimizer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Asks for the switch at the end of the step that is the last one of Adam."""
        if self._due is not None and trainer.global_step >= self._due - 1:
            self._due = None
            for group in self._optimizer(trainer).param_groups:
                group["switch_requested"] = group["phase"] == "adam"

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Notes the estimate of a step that was taken; loggers are told as often as the Trainer says."""
        optimizer = trainer.optimizers[0]
        group = optimizer.param_groups[0]
        if not self._history.note(trainer.global_step, group):
            return
        if group["phase"] == "sgd":
            rank_zero_info(f"SWATS: SGD from step {group['switched_at'] + 1} on, with lr {group['sgd_lr']:.3g}")
            self._show_phase(pl_module, optimizer)
        elif trainer.global_step % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        for logger in trainer.loggers:
            logger.log_metrics(_metrics(group), step=trainer.fit_loop.epoch_loop._batches_that_stepped)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Feeds the metric, before any checkpoint of this moment is written."""
        if self.plateau is None or trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        self.watched = self.plateau.observe(self.watched, self._value_of_rank_0(trainer))
        if self.watched.scale < 1:  # as a learning rate would have been reduced
            self._optimizer(trainer).switch()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the report, and says if it never came to a switch."""
        if self._history.never_switched and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            rank_zero_warn(self._history.advice(self.options))
        self._write(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Writes what there is."""
        self._write(trainer)

    def state_dict(self) -> dict[str, Any]:
        """What is known of the metric; everything else is the optimizer's."""
        return {"watched": self.watched._asdict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores it."""
        self.watched = PlateauState(**state_dict["watched"])

    def _optimizer(self, trainer: Trainer) -> Optimizer:
        found = trainer.optimizers
        if len(found) != 1 or not isinstance(found[0], Optimizer):
            names = ", ".join(type(optimizer).__name__ for optimizer in found) or "none"
            raise ConfigError(f"{BUILT_BY_HAND}; here it is {names}")
        return found[0]

    def _show_phase(self, pl_module: LightningModule, optimizer: Any) -> None:
        phases = [group["phase"] == "sgd" for group in optimizer.param_groups]
        pl_module.log("swats/phase", float(sum(phases)) / len(phases), prog_bar=True, logger=False, rank_zero_only=True)

    def _value_of_rank_0(self, trainer: Trainer) -> float:
        metrics = trainer.callback_metrics
        own = float(metrics[self.monitor]) if self.monitor in metrics else None
        value: float | None = trainer.strategy.broadcast(own)
        if value is None:  # on all ranks alike, so that none waits for the others
            hint = did_you_mean(str(self.monitor), metrics, list_all=True) or "; nothing was logged"
            raise ConfigError(
                f"optim_callbacks.swats.on_metric.monitor={self.monitor!r}: not among the logged metrics{hint}"
            )
        return value

    def _write(self, trainer: Trainer) -> None:
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        try:
            self._history.write(Path(trainer.default_root_dir) / self.folder)
        except OSError as error:  # a report is not worth a finished run
            rank_zero_warn(f"the report of SWATS could not be written: {error}")


def _metrics(group: Mapping[str, Any]) -> dict[str, float]:
    estimate = Estimate(group["k"], group["gamma"], group["lam"])
    away = distance(estimate, group["betas"][1])
    return {"swats/gamma": group["gamma"], "swats/sgd_lr": group["sgd_lr"], "swats/distance": away}


def _watched(on_metric: Mapping[str, Any] | None) -> tuple[str | None, Plateau | None]:
    if on_metric is None:
        return None, None
    if not isinstance(on_metric, Mapping) or not isinstance(on_metric.get("monitor"), str):
        raise ConfigError(wrong("on_metric", on_metric, "write e.g. {monitor: val/loss, patience: 3}"))
    for name in on_metric:
        if name not in METRIC_KEYS:
            raise ConfigError(f"on_metric.{name}: no such key{did_you_mean(str(name), METRIC_KEYS, list_all=True)}")
    mode = on_metric.get("mode", "min")
    if mode not in ("min", "max"):
        raise ConfigError(wrong("on_metric.mode", mode, "must be min or max"))
    try:
        watch = plateau(**{**{k: v for k, v in on_metric.items() if k != "monitor"}, "eps": 0.0})
    except ConfigError as error:
        raise ConfigError(f"on_metric.{error}") from None
    return on_metric["monitor"], watch

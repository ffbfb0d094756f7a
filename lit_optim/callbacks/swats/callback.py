from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from lit_optim.callbacks.protocol import OptimizerCallback
from lit_optim.callbacks.swats.metric import SwitchOnMetric
from lit_optim.callbacks.swats.report import History, advice, write
from lit_optim.callbacks.swats.schedule import refuse_other_schedules
from lit_optim.callbacks.swats.spec import swats_spec
from lit_optim.config.read.spec import Spec
from lit_optim.duration import parse
from lit_optim.errors import ConfigError, wrong
from lit_optim.lightning_api import LightningModule, Trainer, rank_zero_info, rank_zero_warn
from lit_optim.optimizers.swats.optimizer import SWATS as Optimizer
from lit_optim.scheduler.run_length import run_length

NEVER = "never"
BUILT_BY_HAND = (
    "optim_callbacks=swats needs one optimizer that can be both: with ConfigureOptimizersMixin it is built from "
    "optimizer=adam, adamw or amsgrad; by hand, return lit_optim.optimizers.SWATS(params, lr=...)"
)


class SWATS(OptimizerCallback):
    """Switches from Adam to SGD: when the estimate of SGD's learning rate has settled, at a time, or on a metric.

    The mathematics, and what the options mean, is in `lit_optim.optimizers.SWATS`, which the mixin builds from the
    configured Adam. This decides what the optimizer cannot know, and reports: ``swats/gamma``, ``swats/sgd_lr``,
    ``swats/distance`` to the loggers, ``swats/sgd`` (0, and 1 after the switch) to the progress bar, and ``swats.csv``
    with a picture of the estimate.

    Args:
        switch_tol: absolute tolerance of the criterion; with minibatch noise the paper's 1e-9 is practically never met,
            and any other by chance: where estimates scatter by 0.05, 1e-4 is met after some hundred steps.
        switch_rtol: tolerance relative to the estimate of one step; the larger of the two counts.
        min_steps: optimizer steps of Adam at least; more than a warmup has, in which all estimates are small.
        scope: ``global``, or ``group``: an estimate for each param group.
        max_sgd_lr: cap on SGD's learning rate; None: none.
        normalize_by_lr: estimate relative to Adam's lr, for a schedule that moves it.
        follow_schedule: whether the schedule goes on from SGD's lr.
        at: a duration (500, 50%, 3ep) after which SGD takes over, whatever the criterion says; ``never``: it decides.
        on_metric: switch when a metric of validation stops improving: ``monitor``, ``mode``, ``patience``,
            ``threshold``, ``threshold_mode``, ``cooldown``; empty: do not.
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
        self.at = None if at is None or at == NEVER else parse(at, "at")
        if self.at is not None and self.at.amount == 0:
            raise ConfigError(wrong("at", at, "must be after the first step; SGD from the start is optimizer=momentum"))
        self.metric = SwitchOnMetric(on_metric) if on_metric is not None and on_metric != {} else None
        self.folder = Path(folder)
        self._histories: list[History] = []
        self._due: int | None = None
        self._shown: float | None = None

    def replace_spec(self, spec: Spec) -> Spec:
        """Returns the spec of a `lit_optim.optimizers.SWATS` in place of that of an Adam."""
        return swats_spec(spec, self.options)

    def prepare_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Disarms the criterion until training begins: a search of the lr would meet it at tiny ones."""
        for group in optimizer.param_groups:
            group["armed"] = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuses what could not work, before a first step is taken."""
        group = self._optimizer(trainer).param_groups[0]
        run = run_length(trainer)
        schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
        refuse_other_schedules(schedulers, run.total_steps, follow=group["follow_schedule"])
        if self.at is not None:
            self._due = self.at.steps(run, "optim_callbacks.swats.at")
            if run.total_steps is not None and self._due >= run.total_steps and not _is_short(trainer):
                rank_zero_warn(
                    f"optim_callbacks.swats.at: a switch after {self._due} optimizer steps never comes, the run has "
                    f"{run.total_steps}; write a share of it, e.g. at=50%"
                )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins to tell; everything has been restored by now."""
        optimizer = self._optimizer(trainer)
        for group in optimizer.param_groups:
            group.update(armed=True, replicated=trainer.world_size > 1)
        of_groups = [str(group.get("name") or i) for i, group in enumerate(optimizer.param_groups)]
        self._shown = None
        self._histories = [History(name) for name in (of_groups if _separate(optimizer) else [""])]
        if self.metric is not None and _in_sgd(optimizer.param_groups) < 1:
            self.metric.on_train_start(trainer, pl_module)

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
        groups, step = trainer.optimizers[0].param_groups, trainer.global_step
        for i, history in enumerate(self._histories):
            if not history.note(step, groups[i], _scale(groups[i : i + 1] if history.name else groups)):
                continue
            if history.switched_at is not None:
                of = f" (group {history.name})" if history.name else ""
                beta1, rate = groups[i]["betas"][0], groups[i]["sgd_lr"]
                text = f"SWATS{of}: SGD with momentum {beta1:g} from optimizer step {history.switched_at + 1} on"
                rank_zero_info(f"{text}, lr {(1 - beta1) * rate:.3g} = (1 - {beta1:g}) * {rate:.3g}")
            elif step % trainer.log_every_n_steps:  # type: ignore[attr-defined]
                continue
            for logger in trainer.loggers:
                logger.log_metrics(history.last, step=trainer.fit_loop.epoch_loop._batches_that_stepped)
        switched = _in_sgd(groups)
        if switched != self._shown or batch_idx == 0:  # the progress bar keeps it for an epoch
            self._shown = switched
            pl_module.log("swats/sgd", switched, prog_bar=True, logger=False, on_step=True, on_epoch=False)

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finds a wrong name of a metric before anything is trained."""
        if self.metric is not None:
            self.metric.on_sanity_check_end(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Looks at the metric."""
        if self.metric is not None:
            self.metric.on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Looks at a metric of training."""
        if self.metric is not None:
            self.metric.on_train_epoch_end(trainer, pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the report, and says if it never came to a switch."""
        if not _is_short(trainer) and self.at is None:
            group = self._optimizer(trainer).param_groups[0]
            moves = not group["normalize_by_lr"] and group["lr"] != group.get("initial_lr", group["lr"])
            for history in self._histories:
                if history.never_switched:
                    rank_zero_warn(advice(history, group["switch_tol"], lr_moves=moves))
        self._write(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Writes what there is."""
        self._write(trainer)

    def state_dict(self) -> dict[str, Any]:
        """What is known of the metric; everything else is the optimizer's."""
        return {} if self.metric is None else self.metric.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores it."""
        if self.metric is not None and state_dict:
            self.metric.load_state_dict(state_dict)

    def _optimizer(self, trainer: Trainer) -> Optimizer:
        found = trainer.optimizers
        if len(found) != 1 or not isinstance(found[0], Optimizer):
            names = ", ".join(type(optimizer).__name__ for optimizer in found) or "none"
            raise ConfigError(f"{BUILT_BY_HAND}; here it is {names}")
        return found[0]

    def _write(self, trainer: Trainer) -> None:
        if not trainer.is_global_zero or _is_short(trainer):
            return
        try:
            write(self._histories, Path(trainer.default_root_dir) / self.folder)
        except OSError as error:  # a report is not worth a finished run
            rank_zero_warn(f"the report of SWATS could not be written: {error}")


def _is_short(trainer: Trainer) -> bool:
    return bool(trainer.fast_dev_run)  # type: ignore[attr-defined]


def _separate(optimizer: Optimizer) -> bool:
    return len(optimizer.param_groups) > 1 and optimizer.param_groups[0]["scope"] == "group"


def _in_sgd(groups: list[dict[str, Any]]) -> float:
    """The share of groups that have switched."""
    return sum(bool(group["phase"] == "sgd") for group in groups) / len(groups)


def _scale(groups: list[dict[str, Any]]) -> float:
    """Adam's lr, where the estimate is relative to it."""
    return float(max(group["adam_lr"] for group in groups)) if groups[0]["normalize_by_lr"] else 1.0

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from lit_optim.callbacks.swats.foreign_schedulers import reject_other_schedules
from lit_optim.callbacks.swats.replace_spec import swats_spec
from lit_optim.callbacks.swats.report import History, advice, estimates_table
from lit_optim.callbacks.switch.change import ChangeOfOptimizer, is_short
from lit_optim.config.read.spec import Spec
from lit_optim.lightning_api import LightningModule, Trainer, rank_zero_info, rank_zero_warn
from lit_optim.optimizers.swats.optimizer import SWATS as Optimizer
from lit_optim.plots.lr_estimates import draw_estimates
from lit_optim.plots.report_files import write_report
from lit_optim.plots.run_facts import run_facts
from lit_optim.scheduler.driven_value import is_tensor
from lit_optim.scheduler.logged_batches import log_batch, logs_batch
from lit_optim.scheduler.run_length import run_length


class SWATS(ChangeOfOptimizer[Optimizer]):
    """Switches from Adam to SGD: when the estimate of SGD's learning rate has settled, at a time, or on a metric.

    The rule and its options are in `lit_optim.optimizers.SWATS`, which the mixin builds from the configured Adam. The
    callback decides what the optimizer cannot know, and reports: ``swats/gamma``, ``swats/sgd_lr``,
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

    key = "optim_callbacks.swats.on_metric.monitor"
    taker = "the switch of SWATS"
    optimizer_class = Optimizer
    built_by_hand = (
        "optim_callbacks=swats needs one optimizer that can be both: with ConfigureOptimizersMixin it is built from "
        "optimizer=adam, adamw or amsgrad; by hand, return lit_optim.optimizers.SWATS(params, lr=...)"
    )
    from_start = "SGD from the start is optimizer=momentum"

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
        self.options: dict[str, Any] = dict(
            switch_tol=switch_tol, switch_rtol=switch_rtol, min_steps=min_steps, scope=scope, max_sgd_lr=max_sgd_lr,
            normalize_by_lr=normalize_by_lr, follow_schedule=follow_schedule, **({"compile": True} if compile else {}),
        )  # fmt: skip
        Optimizer([torch.zeros(1)], **self.options)  # rejects what is out of range
        super().__init__(at, on_metric)
        self.folder = Path(folder)
        self._histories: list[History] = []
        self._shown: float | None = None

    def replace_spec(self, spec: Spec) -> Spec:
        """Return the spec of a `lit_optim.optimizers.SWATS` in place of that of an Adam."""
        return swats_spec(spec, self.options)

    def prepare_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Disable the criterion until training begins; an lr search would trigger it."""
        for group in optimizer.param_groups:
            group["armed"] = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reject what cannot work, before a first step is taken."""
        group = self.optimizer_of(trainer).param_groups[0]
        run = run_length(trainer)
        schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
        reject_other_schedules(schedulers, run.total_steps, follow=group["follow_schedule"])
        self.set_due(trainer, run)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Enable the criterion and begin the report; a checkpoint has been restored by now."""
        groups = self.optimizer_of(trainer).param_groups
        for group in groups:
            group.update(armed=True, replicated=trainer.world_size > 1)
        separate = len(groups) > 1 and groups[0]["scope"] == "group"
        names = [str(group.get("name") or i) for i, group in enumerate(groups)] if separate else [""]
        self._histories, self._shown = [History(name) for name in names], None
        if self.monitor is not None and _share_in_sgd(groups) < 1:
            super().on_train_start(trainer, pl_module)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Record the lr, and request the switch, which takes place at the end of Adam's last step."""
        for history, sharing in self._shared(trainer):
            lrs = [group["lr"] for group in sharing]
            if logs_batch(trainer) or not any(map(is_tensor, lrs)):  # to read a tensor may be to wait for a GPU
                history.use(trainer.global_step + 1, max(map(float, lrs)))
        if self._due is not None and trainer.global_step >= self._due - 1:
            self._due = None
            for group in self.optimizer_of(trainer).param_groups:
                group["switch_requested"] = group["phase"] == "adam"

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record the estimate of a step that was taken, and log it as often as the Trainer logs."""
        groups, step = trainer.optimizers[0].param_groups, trainer.global_step
        for history, sharing in self._shared(trainer):
            group = sharing[0]
            scale = float(max(each["adam_lr"] for each in sharing)) if group["normalize_by_lr"] else 1.0
            if not history.note(step, group, scale):
                continue
            if history.switched_at is not None:
                rank_zero_info(history.describe_switch(group["betas"][0]))
            elif not logs_batch(trainer):
                continue
            log_batch(trainer, history.last)
        switched = _share_in_sgd(groups)
        if switched != self._shown or batch_idx == 0:  # the progress bar keeps it for an epoch
            self._shown = switched
            pl_module.log("swats/sgd", switched, prog_bar=True, logger=False, on_step=True, on_epoch=False)

    def change(self, trainer: Trainer) -> None:
        """Switch to SGD."""
        self.optimizer_of(trainer).switch()

    def phase(self, trainer: Trainer) -> str:
        """Name the phase, or both where groups switch one by one."""
        return " and ".join(sorted({str(group["phase"]) for group in self.optimizer_of(trainer).param_groups}))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the report, and give advice if there was no switch."""
        if not is_short(trainer) and self.at is None:
            group = self.optimizer_of(trainer).param_groups[0]
            moves = not group["normalize_by_lr"] and group["lr"] != group.get("initial_lr", group["lr"])
            for history in self._histories:
                if history.steps and history.switched_at is None:
                    rank_zero_warn(advice(history, group["switch_tol"], lr_moves=moves))
        self._write(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write the report so far."""
        super().on_exception(trainer, pl_module, exception)
        self._write(trainer)

    def _shared(self, trainer: Trainer) -> list[tuple[History, list[dict[str, Any]]]]:
        """Pair each history with the groups that share its estimate."""
        groups = trainer.optimizers[0].param_groups
        return [(h, [g] if h.name else groups) for h, g in zip(self._histories, groups, strict=False)]

    def _write(self, trainer: Trainer) -> None:
        histories = [history for history in self._histories if history.steps]
        if histories:
            rows = estimates_table(histories)
            write_report(trainer, self.folder, "swats", rows, lambda: draw_estimates(histories, run_facts(trainer)))


def _share_in_sgd(groups: list[dict[str, Any]]) -> float:
    """Return the share of groups that have switched."""
    return sum(bool(group["phase"] == "sgd") for group in groups) / len(groups)

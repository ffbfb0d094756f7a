"""Moves schedules in manual optimization, where Lightning leaves that to the training step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch.optim.lr_scheduler import ReduceLROnPlateau

from lit_optim.callbacks.finite_guard.non_finite_warning import NonFiniteWarning
from lit_optim.callbacks.plateau_feeder import plateau_feeders
from lit_optim.callbacks.schedule_free import ScheduleFree
from lit_optim.callbacks.spec_checkpoint import SpecCheckpoint
from lit_optim.config.resolve import Resolved
from lit_optim.lightning_api import Callback, Trainer, rank_zero_warn
from lit_optim.scheduler.planned_steps import planned_steps
from lit_optim.scheduler.schedule_lr import ScheduleLR
from lit_optim.step_hooks import is_state_init_step, was_applied

TOLERANCE = 0.05  # of the planned steps


class StepSchedules(Callback):
    """Moves every schedule with the steps that its own optimizer really takes, and compares their number with the plan.

    A scheduler of another class moves if the configuration says when: ``interval: step``, or ``epoch`` for the last
    batch of an epoch. Else it is left to the training step, which knows the metric of a torch ReduceLROnPlateau too.
    """

    def __init__(self) -> None:
        self._handles: list[Any] = []
        self._compared = False
        self._warned: set[int] = set()

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Attach behind all other hooks of the optimizers, once everything is restored."""
        self._detach()
        self._compared, self._warned = False, set()
        for part, config in _pairs(trainer, pl_module):
            if config.interval == "step" and moves_by_itself(part, config.scheduler):
                move = _mover(trainer, config)
                self._handles.append(config.scheduler.optimizer.register_step_post_hook(move))

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Move the schedulers that count epochs, before a checkpoint of this batch is written."""
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            for part, config in _pairs(trainer, pl_module):
                due = config.interval == "epoch" and (trainer.current_epoch + 1) % config.frequency == 0
                if due and moves_by_itself(part, config.scheduler):
                    config.scheduler.step()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Compare after the first epoch, while a wrong length can still be mended."""
        if not self._compared:
            self._compared = True
            self._compare(trainer, pl_module, _share_done(trainer, trainer.current_epoch + 1))

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Compare the steps of a run that was not stopped early."""
        if _share_done(trainer, trainer.current_epoch) >= 1:
            self._compare(trainer, pl_module, 1.0)
        for part, config in _pairs(trainer, pl_module):
            if not moves_by_itself(part, config.scheduler) and not getattr(config.scheduler, "last_epoch", 1):
                key, name = _key(part), type(config.scheduler).__name__
                text = f"{key}: {name} never moved; call its step() where the optimizer steps"
                rank_zero_warn(f"{text}, or write {key}.interval=step (or epoch), or choose a preset")
        self._detach()

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        """Detach from the optimizers."""
        self._detach()

    def _detach(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _compare(self, trainer: Trainer, module: Any, share: float) -> None:
        """Warn of schedules that are much longer or shorter than their optimizers' runs.

        Args:
            trainer: that trains.
            module: whose specs have the names.
            share: of the run that is done; a length that the user gave is compared at the end only.
        """
        if vars(trainer).get("fast_dev_run") or not share:
            return
        for i, (part, config) in enumerate(_pairs(trainer, module)):
            scheduler = config.scheduler
            given = "total_steps" in part.scheduler.lightning_keys
            if i in self._warned or not isinstance(scheduler, ScheduleLR) or (given and share < 1):
                continue
            planned, steps = planned_steps(scheduler), round(scheduler.last_epoch / share)
            if planned is not None and abs(steps - planned) > max(1, TOLERANCE * planned):
                self._warned.add(i)
                key = _key(part)
                takes = f"its optimizer takes {'about ' if share < 1 else ''}{steps} steps"
                rank_zero_warn(f"{key}: made for {planned} steps, and {takes}; write {key}.total_steps={steps}")


def own_callbacks(parts: Iterable[Resolved], *, by_hand: bool) -> list[Callback]:
    """Return the callbacks that every module adds: for checkpoints, and where Lightning does not move a schedule.

    Args:
        parts: the specs of each optimizer.
        by_hand: the training step takes the optimizers' steps.
    """
    metrics = {
        part.scheduler.spec.key: (part.scheduler.fed_metric, part.scheduler.lightning_keys.get("strict", True))
        for part in parts
        if part.scheduler.fed_metric is not None
    }
    movers = [*(plateau_feeders(metrics) if metrics else []), *([StepSchedules()] if by_hand else [])]
    return [SpecCheckpoint(), ScheduleFree(), NonFiniteWarning(), *movers]


def moves_by_itself(part: Resolved, scheduler: Any) -> bool:
    """Return whether a scheduler is moved by us in manual optimization, and not by the training step."""
    says_when = not part.scheduler.own and "interval" in part.scheduler.lightning_keys
    return isinstance(scheduler, ScheduleLR) or (says_when and not isinstance(scheduler, ReduceLROnPlateau))


def _pairs(trainer: Trainer, module: Any) -> list[tuple[Resolved, Any]]:
    """Return the specs of each optimizer with Lightning's entry of its scheduler; none of a module with others."""
    parts, configs = module.optimizer_parts(), trainer.lr_scheduler_configs
    return [*zip(parts, configs, strict=True)] if len(parts) == len(configs) else []


def _key(part: Resolved) -> str:
    return f"scheduler.{part.name}" if part.name else "scheduler"


def _mover(trainer: Trainer, config: Any) -> Callable[..., None]:
    scheduler = config.scheduler

    def move(optimizer: Any, *_: Any) -> None:
        if not was_applied(optimizer) or (not scheduler.last_epoch and is_state_init_step(optimizer, [])):
            return
        if (trainer.fit_loop.epoch_loop.batch_idx + 1) % config.frequency == 0:
            scheduler.step()

    return move


def _share_done(trainer: Trainer, epochs: int) -> float:
    """Return which share of the run is done after so many epochs; 0 where its end is not known."""
    limits = ((epochs, trainer.max_epochs), (trainer.global_step, trainer.max_steps))
    return max((min(1.0, done / most) for done, most in limits if most is not None and most > 0), default=0.0)

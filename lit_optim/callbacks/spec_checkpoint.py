from __future__ import annotations

from typing import Any

from lit_optim.callbacks.schedule_free import ScheduleFree
from lit_optim.checkpoint.compatibility import check_phase, restores_param_groups
from lit_optim.checkpoint.restore_errors import restore_error
from lit_optim.checkpoint.sharded_checkpoints import reject_other_class
from lit_optim.checkpoint_files.folders import check_saving
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import Callback, Trainer, is_of_search, is_timed, remove_callbacks
from lit_optim.resume import planned_runs
from lit_optim.scheduler.run_progress import count_begun_epoch, count_saved_batch, may_begin_epoch_anew


class SpecCheckpoint(Callback):
    """Applies the specs of a checkpoint when a run is resumed; removes itself when training starts.

    A callback and not hooks of the module, because a module's own hooks often forget ``super()``. The module inherits
    from `ConfigureOptimizersMixin`, which writes the specs into checkpoints (`lit_optim.module.checkpoints`).
    """

    def on_load_checkpoint(self, trainer: Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Compare the specs; called before optimizers are configured (but under strategies that restore later)."""
        if trainer.state.fn == "fit" and trainer.ckpt_path and not is_of_search(trainer.ckpt_path):
            pl_module.resume_from(checkpoint)

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Check that checkpoints can be written, prepare for the restore, and train what a run has unfrozen.

        Lightning's finetuning callbacks restore the groups of that alone.
        """
        check_saving(trainer)
        pl_module.before_restore()
        if trainer.ckpt_path and restores_param_groups(trainer.callbacks):  # type: ignore[attr-defined]
            pl_module.train_added_groups()

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        """Explain why a checkpoint could not be restored; some strategies load a sharded one before our checks."""
        if trainer.ckpt_path and not isinstance(exception, ConfigError):
            try:
                reject_other_class(trainer.ckpt_path, trainer.optimizers)
                reason = restore_error(exception, trainer.ckpt_path)
            except ConfigError as error:
                reason = error
            if reason is not None:
                exception.__cause__ = reason  # where `exit_on_config_error` finds it, and a traceback shows it

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Compare threads and processes, check state that some strategies restore unchecked, then remove itself.

        The next fit gets new callbacks from the module.
        """
        count_saved_batch(trainer)
        count_begun_epoch(trainer)
        pl_module.follow_batch_size()
        planned_runs.plan_runs(pl_module)
        pl_module.write_group_table()
        for optimizer in trainer.optimizers:
            check_phase(optimizer.param_groups, optimizer)
        reloads = getattr(trainer, "reload_dataloaders_every_n_epochs", 0)
        changes = reloads or is_timed(trainer) or may_begin_epoch_anew(trainer)
        own = [] if changes else [self]
        idle = [callback for callback in trainer.callbacks if type(callback) is ScheduleFree and callback.idle]  # type: ignore[attr-defined]
        remove_callbacks(trainer, *own, *idle)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Plan the schedules again where reloaded data has changed the length of the run."""
        planned_runs.follow_run_length(pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Say where the time limit has ended a run before its schedule."""
        if is_timed(trainer):
            planned_runs.warn_of_unfinished_schedules(pl_module)

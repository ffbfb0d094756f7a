from __future__ import annotations

from typing import Any, Protocol, cast

from lightning.pytorch import Callback, LightningModule, Trainer

from lit_optim.config.misfit import refuse_other_class
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import count_saved_batch, is_of_lr_search


class Configured(Protocol):
    """What this callback asks of a module: the mixin has it."""

    def stamp_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Writes the specs into a checkpoint."""

    def resume_from(self, checkpoint: dict[str, Any]) -> None:
        """Takes over the specs of a checkpoint."""

    def compare_environment(self) -> None:
        """Says where a resumed run is not exact."""

    def reapply_lr(self) -> None:
        """Writes an assigned lr again."""

    def keep_assigned_lr(self) -> None:
        """Lets an lr that was assigned before a restore be written again after it."""


class SpecCheckpoint(Callback):
    """Keeps a module's specs in its checkpoints, and lets the checkpoint win when a run is resumed.

    A callback and not a hook of the module, because a module's own ``on_save_checkpoint`` often forgets ``super()``.
    """

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Writes ``checkpoint["lit_optim"]``; what the hyper-parameters hold of Hydra becomes plain."""
        cast("Configured", pl_module).stamp_checkpoint(checkpoint)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Compares the specs; called before optimizers are configured (but under strategies that restore later)."""
        if trainer.state.fn == "fit" and trainer.ckpt_path:
            module = cast("Configured", pl_module)
            if is_of_lr_search(trainer.ckpt_path):
                module.keep_assigned_lr()
            else:
                module.resume_from(checkpoint)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Tells why a sharded checkpoint could not be loaded: its strategy asks nobody before it does."""
        if trainer.ckpt_path and not isinstance(exception, ConfigError):
            try:
                refuse_other_class(trainer.ckpt_path, trainer.optimizers)
            except ConfigError as reason:
                exception.__cause__ = reason  # where `exit_on_config_error` finds it, and a traceback shows it

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compares what can be compared only now: threads and processes, and what some strategies restore unseen."""
        count_saved_batch(trainer)
        cast("Configured", pl_module).reapply_lr()
        cast("Configured", pl_module).compare_environment()
        for optimizer in trainer.optimizers:
            switched = any(group.get("phase") == "sgd" for group in optimizer.param_groups)
            if switched and "phase" not in optimizer.defaults:
                rule = f"its optimizer has switched to SGD, and {type(optimizer).__name__} cannot go on from there"
                raise ConfigError(f"ckpt_path: {rule}; add optim_callbacks=swats")

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Repeats an lr that was just assigned: a LearningRateFinder overwrites the groups after the module's."""
        cast("Configured", pl_module).reapply_lr()

from __future__ import annotations

from typing import Any, Protocol, cast

from lit_optim.callbacks.schedule_free import ScheduleFree
from lit_optim.checkpoint.compatibility import refuse_other_class
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import Callback, LightningModule, Trainer, count_saved_batch, is_of_lr_search, leave


class HasSpecs(Protocol):
    """What this callback asks of a module: the mixin has it."""

    def resume_from(self, checkpoint: dict[str, Any]) -> None:
        """Takes over the specs of a checkpoint."""

    def compare_environment(self) -> None:
        """Says where a resumed run is not exact."""


class SpecCheckpoint(Callback):
    """Lets the specs of a checkpoint win when a run is resumed; leaves the Trainer when training starts.

    A callback and not hooks of the module, because a module's own hooks often forget ``super()``. What is written into
    checkpoints is the module's concern (`lit_optim.module.checkpoints`).
    """

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Compares the specs; called before optimizers are configured (but under strategies that restore later)."""
        if trainer.state.fn == "fit" and trainer.ckpt_path and not is_of_lr_search(trainer.ckpt_path):
            cast("HasSpecs", pl_module).resume_from(checkpoint)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Tells why a sharded checkpoint could not be loaded: its strategy asks nobody before it does."""
        if trainer.ckpt_path and not isinstance(exception, ConfigError):
            try:
                refuse_other_class(trainer.ckpt_path, trainer.optimizers)
            except ConfigError as reason:
                exception.__cause__ = reason  # where `exit_on_config_error` finds it, and a traceback shows it

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compares what can be compared only now: threads and processes, and what some strategies restore unseen.

        Then there is nothing left to do in this fit: the next one gets new callbacks from the module.
        """
        count_saved_batch(trainer)
        cast("HasSpecs", pl_module).compare_environment()
        for optimizer in trainer.optimizers:
            switched = any(group.get("phase") == "sgd" for group in optimizer.param_groups)
            if switched and "phase" not in optimizer.defaults:
                rule = f"its optimizer has switched to SGD, and {type(optimizer).__name__} cannot go on from there"
                raise ConfigError(f"ckpt_path: {rule}; add optim_callbacks=swats")
        idle = [callback for callback in trainer.callbacks if type(callback) is ScheduleFree and callback.idle]  # type: ignore[attr-defined]
        leave(trainer, self, *idle)

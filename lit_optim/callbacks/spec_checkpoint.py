from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lightning.pytorch import Callback, LightningModule, Trainer

if TYPE_CHECKING:
    from typing import Protocol

    class Stamped(Protocol):
        """What this callback asks of a module: `ConfigureOptimizersMixin`."""

        def stamp_checkpoint(self, checkpoint: dict[str, Any]) -> None: ...
        def resume_from(self, saved: dict[str, Any]) -> None: ...
        def reapply_lr(self) -> None: ...


class SpecCheckpoint(Callback):
    """Keeps a module's specs in its checkpoints, and lets the checkpoint win when a run is resumed.

    A callback and not a hook of the module, because a module's own ``on_save_checkpoint`` often forgets ``super()``.
    """

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Writes ``checkpoint["lit_optim"]``; what the hyper-parameters hold of Hydra becomes plain."""
        cast("Stamped", pl_module).stamp_checkpoint(checkpoint)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Compares the specs; called before optimizers are configured (but under strategies that restore later)."""
        if trainer.state.fn == "fit" and trainer.ckpt_path and "lit_optim" in checkpoint:
            cast("Stamped", pl_module).resume_from(checkpoint["lit_optim"])

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Repeats an lr that was just assigned: a LearningRateFinder overwrites the groups after it set the module's."""
        cast("Stamped", pl_module).reapply_lr()

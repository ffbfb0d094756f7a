from __future__ import annotations

from lightning.pytorch import Callback, Trainer


def leave(trainer: Trainer, *callbacks: Callback) -> None:
    """Removes callbacks from a Trainer, from its next hook on.

    For callbacks that have nothing left to do in this fit: Lightning calls six hooks of each callback on every step,
    and takes a dozen function calls for each of them, whether it is empty or not.

    Args:
        trainer: whose list of callbacks is replaced, as a hook may be iterating over the present one.
        callbacks: those that leave; one that is not among the Trainer's is ignored.
    """
    present: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
    trainer.callbacks = [callback for callback in present if callback not in callbacks]  # type: ignore[attr-defined]

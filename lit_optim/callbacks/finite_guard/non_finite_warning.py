from __future__ import annotations

import math
from typing import Any

from lit_optim.callbacks.finite_guard.callback import FiniteGuard
from lit_optim.callbacks.finite_guard.is_finite import problem_of_weights
from lit_optim.lightning_api import Callback, LightningModule, Trainer, rank_zero_warn

ADVICE = "; optim_callbacks=finite leaves out the steps that lead there"


class NonFiniteWarning(Callback):
    """Warns of the first metric, and of the first weight, that is not finite at a validation, a save or the end.

    The mixin adds it by itself; what acts on such values is `FiniteGuard`.
    """

    # Lightning takes a dozen function calls for each hook of a step, but none for what it cannot call
    on_train_batch_start = on_train_batch_end = on_before_zero_grad = on_before_backward = None  # type: ignore[assignment]
    on_after_backward = on_before_optimizer_step = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self._metric_found = self._weight_found = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the metrics and the weights."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._look(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Look at what is saved."""
        self._look(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the result."""
        self._look(trainer, pl_module)

    def _look(self, trainer: Trainer, module: LightningModule) -> None:
        guarded = any(isinstance(callback, FiniteGuard) for callback in trainer.callbacks)  # type: ignore[attr-defined]
        if not self._metric_found:
            values = {name: float(value) for name, value in trainer.callback_metrics.items()}
            found = next((f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)), None)
            self._metric_found = self._warn(trainer, found, "" if guarded else ADVICE)
        if not (self._weight_found or guarded):
            self._weight_found = self._warn(trainer, problem_of_weights(module, trainer.world_size), ADVICE)

    def _warn(self, trainer: Trainer, found: str | None, advice: str) -> bool:
        """Warn of what was found, if anything; return whether it was."""
        if found is not None:
            rank_zero_warn(f"after step {trainer.global_step}: {found}{advice}")
        return found is not None

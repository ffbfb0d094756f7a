from __future__ import annotations

import math
from typing import Any

from lit_optim.callbacks.finite_guard.callback import FiniteGuard
from lit_optim.callbacks.finite_guard.is_finite import problem_of_weights
from lit_optim.lightning_api import Callback, LightningModule, Trainer, rank_zero_warn


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
        if not self._metric_found:
            values = {name: float(value) for name, value in trainer.callback_metrics.items()}
            found = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
            self._metric_found = bool(found)
            self._warn(trainer, found[:1])
        if not self._weight_found:
            problem = problem_of_weights(module, trainer.world_size)
            self._weight_found = problem is not None
            self._warn(trainer, [problem] if problem else [])

    def _warn(self, trainer: Trainer, found: list[str]) -> None:
        guarded = any(isinstance(callback, FiniteGuard) for callback in trainer.callbacks)  # type: ignore[attr-defined]
        advice = "" if guarded else "; optim_callbacks=finite leaves out the steps that lead there"
        for problem in found:
            rank_zero_warn(f"after step {trainer.global_step}: {problem}{advice}")

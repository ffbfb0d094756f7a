"""Measure the step of a row: the values that param groups use, and the norms of gradient and update."""

from __future__ import annotations

from typing import Any

import torch
from torch.amp.grad_scaler import OptState
from torch.optim import Optimizer

from lit_optim.callbacks.record.memory import PeakMemory
from lit_optim.callbacks.record.norms import StepNorms
from lit_optim.callbacks.schedule_report import named_values, places_of_values
from lit_optim.lightning_api import Trainer, has_gradient_scaler, is_instance

FLAT = ("strategies.FSDPStrategy", "strategies.DeepSpeedStrategy")  # gradients are not those of the parameters


class StepMeter:
    """Measures the steps that the optimizers take in one batch.

    Args:
        trainer: that fits.
        device: of the module.
    """

    def __init__(self, trainer: Trainer, device: torch.device) -> None:
        self.peak = PeakMemory(device)
        self._has_norms = not is_instance(trainer.strategy, *FLAT)
        self._reset()

    def _reset(self) -> None:
        self._seen: set[int] = set()  # optimizers of this batch
        self._values: dict[str, float | None] = {}
        self._norms = StepNorms()

    @property
    def has_measured(self) -> bool:
        """Return whether a step is being measured."""
        return bool(self._seen)

    def before_step(self, trainer: Trainer, optimizer: Optimizer) -> None:
        """Note what a step begins from; LBFGS calls this many times in one."""
        if id(optimizer) in self._seen:
            return
        if not self._seen:
            self._values = values_in_use(trainer)
            self.peak.read()
        self._seen.add(id(optimizer))
        if self._has_norms:
            self._norms.before_step(optimizer, _scale_of_gradients(trainer, optimizer))

    def take(self) -> dict[str, float | None]:
        """Return the columns of a row after the step; all ranks must call it."""
        norms = self._norms.norms()
        found: dict[str, float | None] = {} if norms is None else {"grad_norm": norms[0], "update_norm": norms[1]}
        self.peak.leave_out(self._norms.copied)
        found |= self._values
        self._reset()
        return found


def values_in_use(trainer: Trainer) -> dict[str, float | None]:
    """Read the lr of every param group, and whatever else a schedule drives; waits for an lr on a GPU.

    An lr is None where the optimizer finds its own.
    """
    places = named_values(places_of_values(trainer))
    found = {k: group[key] if i is None else group[key][i] for k, (group, key, i) in places.items()}
    return {k: None if value is None else float(value) for k, value in found.items()}


def _scale_of_gradients(trainer: Trainer, optimizer: Optimizer) -> float:
    """Return what the gradients are still multiplied by where a gradient scaler leaves it to the step to unscale them.

    The scaler knows. The optimizer's flag does not: other callbacks may have changed it within this step.
    """
    if not has_gradient_scaler(trainer):
        return 1.0
    plugin: Any = trainer.precision_plugin
    scaler = plugin.scaler
    unscaled = scaler._per_optimizer_states[id(optimizer)]["stage"] is OptState.UNSCALED
    return 1.0 if unscaled else float(scaler.get_scale())

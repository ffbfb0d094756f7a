"""Defines the class that a LightningModule inherits from to get ``configure_optimizers`` from configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lit_optim.checkpoint.compatibility import check_resumed_state
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import has_gradient_scaler
from lit_optim.module.fit_warnings import warn_at_fit_start
from lit_optim.module.overridden_hooks import warn_of_overridden_hooks
from lit_optim.module.resolved_specs import ModuleWithResolvedSpecs
from lit_optim.scheduler.run_length import run_length
from lit_optim.step_hooks import AppliedStepCounter

if TYPE_CHECKING:
    from lit_optim.lightning_api import Callback


class ConfigureOptimizersMixin(ModuleWithResolvedSpecs):
    """A LightningModule whose optimizer, schedule, param groups and optimizer callbacks come from configuration.

    List it before LightningModule. The four specs - names of presets, mappings, DictConfigs or Hydra partials - are
    read from the attribute ``optim_spec`` (a mapping) if there is one, else from ``self.hparams``, under the keys
    ``optimizer``, ``scheduler``, ``param_groups``, ``optim_callbacks``.

    Example:
        >>> import torch, lightning as L
        >>> class Net(ConfigureOptimizersMixin, L.LightningModule):
        ...     def __init__(self, optimizer="adamw", scheduler=None, param_groups=None, optim_callbacks=None):
        ...         super().__init__()
        ...         self.save_hyperparameters()
        ...         self.layer = torch.nn.Linear(2, 2)
        >>> type(Net(optimizer="sgd").configure_optimizers()["optimizer"]).__name__
        'SGD'
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Warn when a class overrides our hooks without ``super()``, which would pass in silence at the first fit."""
        super().__init_subclass__(**kwargs)
        warn_of_overridden_hooks(cls, ConfigureOptimizersMixin, "configure_optimizers", "configure_callbacks")

    def configure_callbacks(self) -> list[Callback]:
        """Check all specs before any data is prepared; return the optimizer callbacks and what a plateau needs."""
        from lit_optim.callbacks import PlateauFeeder, ScheduleFree, SpecCheckpoint

        given = super().configure_callbacks()
        callbacks = list(given) if isinstance(given, Sequence) else [given]
        self._run_state.forget_resume()
        trainer = self._trainer_or_none()
        if trainer is not None and trainer.state.fn == "fit":
            self.check_on_all_ranks(callbacks)
        with self.trusted():
            try:
                resolved = self.resolved_specs(callbacks)
            except ConfigError:
                return callbacks  # a checkpoint is evaluated, which needs no optimizer
        monitor = resolved.scheduler.fed_metric
        feeders = [] if monitor is None else [PlateauFeeder(monitor)]
        return [*callbacks, SpecCheckpoint(), ScheduleFree(), *feeders, *resolved.callbacks]

    def configure_optimizers(self) -> Any:
        """Build the optimizer over everything that requires grad, and one scheduler."""
        trainer = self._trainer_or_none()
        with self.trusted():
            resolved = self.resolved_specs(attached=True)
            optimizer = resolved.build_optimizer(self)
            check_resumed_state(self._run_state.take_resumed_states(), optimizer, getattr(trainer, "callbacks", ()))
            for callback in self.optimizer_callbacks():
                callback.prepare_optimizer(optimizer)
            run = run_length(trainer)
            scheduler = resolved.build_scheduler(optimizer, run)
            warn_at_fit_start(resolved, self, trainer, run)
        skips = resolved.scheduler.own and has_gradient_scaler(trainer)
        self._run_state.applied_steps = AppliedStepCounter(optimizer) if skips else None
        return resolved.for_lightning(optimizer, scheduler)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Move the schedule on, unless a gradient scaler has skipped the optimizer's step."""
        steps = self._run_state.applied_steps
        if steps is None or steps.has_moved():
            super().lr_scheduler_step(scheduler, metric)

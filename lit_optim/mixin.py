"""Defines the class that a LightningModule inherits from to get ``configure_optimizers`` from configuration."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lit_optim.config.resolve_named import build_schedulers, for_lightning
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import has_gradient_scaler
from lit_optim.module.batch_scaling import scale_each
from lit_optim.module.fit_warnings import check_what_was_built, warn_at_fit_start
from lit_optim.module.freezing import ModuleFrozenByRules
from lit_optim.module.overridden_hooks import adopt_overridden_hooks
from lit_optim.module.report_groups import report_groups, schedule_report
from lit_optim.scheduler.run_length import run_length, training_data
from lit_optim.step_hooks import AppliedStepCounter

if TYPE_CHECKING:
    from lit_optim.lightning_api import Callback


class ConfigureOptimizersMixin(ModuleFrozenByRules):
    """A LightningModule whose optimizer, schedule, param groups and optimizer callbacks come from configuration.

    List it before LightningModule. The four specs - names of presets, mappings, DictConfigs or Hydra partials - are
    read from the attribute ``optim_spec`` (a mapping) if there is one, else from ``self.hparams``, under the keys
    ``optimizer``, ``scheduler``, ``param_groups``, ``optim_callbacks``; ``report: True`` beside them adds a
    `ScheduleReport`. In manual optimization ``optimizer`` may be a mapping of names; `named_optimizers` returns what is
    built.

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
        adopt_overridden_hooks(cls, ConfigureOptimizersMixin)

    def configure_callbacks(self) -> list[Callback]:
        """Check all specs before any data is prepared; return the optimizer callbacks and what a plateau needs."""
        from lit_optim.module.step_schedules import own_callbacks

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
        own = own_callbacks(resolved.parts, by_hand=not self.automatic_optimization)
        report = schedule_report([*callbacks, *resolved.callbacks], trainer) if self.wants_report() else []
        return [*callbacks, *own, *resolved.callbacks, *report]

    def configure_optimizers(self) -> Any:
        """Build the optimizer over everything that requires grad, or several by name, each with a scheduler.

        A subclass may change the groups of what ``super()`` returns: they hold the values that the schedule scales
        (the peak lr), and the schedule starts from what is left there: lr, another key, a new group.
        """
        state, trainer, by_hand = self._run_state, self._trainer_or_none(), not self.automatic_optimization
        self.resume_unless_done()
        with self.trusted():
            resolved = self.resolved_specs(attached=True)
            optimizers = resolved.build_optimizers(self)
            for callback in self.optimizer_callbacks():
                optimizers = [callback.replace_optimizer(optimizer) for optimizer in optimizers]
            state.built_groups = [len(optimizer.param_groups) for optimizer in optimizers]
            check = functools.partial(self.fit_checkpoint, state.checkpoint or {}, optimizers)
            with training_data(trainer):
                scales = any(part.lr_scaling for part in resolved.parts)
                state.scaled_lr = (
                    scale_each(resolved.parts, optimizers, trainer, state.resumed_batch_size) if scales else None
                )
                run = run_length(trainer, len(optimizers))
            if state.withheld is None:
                check()
            for callback, optimizer in itertools.product(self.optimizer_callbacks(), optimizers):
                callback.prepare_optimizer(optimizer)
            build = functools.partial(state.build_scheduler, check=check)
            schedulers = build_schedulers(resolved.parts, optimizers, run, build, by_hand=by_hand)
            check_what_was_built(self, optimizers, schedulers, run.total_steps)
            warn_at_fit_start(resolved, self, trainer, run)
            state.write_groups = report_groups(resolved.parts, self, optimizers, trainer)
        scaled = resolved.parts[0].scheduler.own and has_gradient_scaler(trainer)
        skips = scaled or any(callback.leaves_steps_out for callback in self.optimizer_callbacks())
        state.applied_steps = AppliedStepCounter(optimizers[0]) if skips and not by_hand else None
        return for_lightning(resolved.parts, optimizers, schedulers, by_hand=by_hand)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Move the schedule on, unless a gradient scaler or the finite guard has left the optimizer's step out."""
        steps = self._run_state.applied_steps
        if steps is None or steps.has_moved():
            super().lr_scheduler_step(scheduler, metric)

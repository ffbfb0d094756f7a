"""``configure_optimizers`` from configuration: the one class that a LightningModule has to inherit from."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from lit_optim.callbacks.evaluation_weights import EvaluationWeights
from lit_optim.callbacks.plateau_feeder import PlateauFeeder
from lit_optim.callbacks.schedule_free import ScheduleFree
from lit_optim.callbacks.spec_checkpoint import SpecCheckpoint
from lit_optim.callbacks.swats.callback import SWATS
from lit_optim.callbacks.swats.spec import swats_spec
from lit_optim.checkpoint.compatibility import check_optimizer_state, with_names
from lit_optim.config import capabilities
from lit_optim.config.build.callbacks import callbacks_from_spec
from lit_optim.config.build.optimizer import optimizer_from_spec
from lit_optim.config.build.scheduler import CheckedSchedule, check_scheduler, scheduler_from_spec
from lit_optim.config.canonical_specs import canonical_specs
from lit_optim.config.read.presets import GROUPS
from lit_optim.config.read.spec import read_spec
from lit_optim.config.validate import validate
from lit_optim.duration import RunLength
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import BaseFinetuning, Callback, rank_zero_warn
from lit_optim.module.checkpoints import SpecsInCheckpoints
from lit_optim.module.fit_warnings import warn_at_fit_start
from lit_optim.module.rank_agreement import raise_on_all_ranks
from lit_optim.module.second_order import check_backward_keeps_graph
from lit_optim.scheduler.run_length import check_has_steps, run_length
from lit_optim.scheduler.schedule_lr import ScheduleLR
from lit_optim.step_hooks import AppliedStepCounter


class ConfigureOptimizersMixin(SpecsInCheckpoints):
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
        """Tells at class creation what would otherwise go wrong in silence at the first fit."""
        super().__init_subclass__(**kwargs)
        if any(base.__module__.startswith("pytorch_lightning.") for base in cls.__mro__):
            raise ConfigError(
                f"{cls.__name__}: pytorch_lightning.LightningModule is another class than lightning's; "
                "write 'import lightning as L' and inherit from L.LightningModule"
            )
        for hook in ("configure_optimizers", "configure_callbacks"):
            owner = next(base for base in cls.__mro__ if hook in base.__dict__)
            if owner is ConfigureOptimizersMixin or (owner is not cls and issubclass(owner, ConfigureOptimizersMixin)):
                continue  # ours, or one that was looked at when its class was made
            code = getattr(owner.__dict__[hook], "__code__", None)
            if owner.__dict__[hook] is not ConfigureOptimizersMixin.__dict__[hook] and (
                code is None or not {"super", hook} & {*code.co_names, *code.co_freevars}
            ):
                text = (
                    f"{owner.__name__}.{hook} does not call super().{hook}(), so the configuration has no effect there"
                )
                warnings.warn(text, stacklevel=2)

    def configure_callbacks(self) -> list[Callback]:
        """Validates all specs before any data is prepared; then the optimizer callbacks and what a plateau needs."""
        given = super().configure_callbacks()
        callbacks = [given] if isinstance(given, Callback) else list(given)
        self.__dict__["_resumed_specs"] = self.__dict__["_resumed_states"] = None
        if self._trainer_or_none() is not None and self.trainer.state.fn == "fit":
            self._check_on_all_ranks()
        with self.trusted():
            try:
                specs = self.optim_specs()
                validate(specs)
            except ConfigError:
                return callbacks  # a checkpoint is evaluated: nothing of this is needed
            checked = self._checked_scheduler(specs)
            feeder = [PlateauFeeder(checked.reserved["monitor"])] if checked.own and checked.follows_metric else []
            chosen = callbacks_from_spec(specs.get("optim_callbacks"))
            for callback in self._swats(self._trainer_or_none(), chosen):
                swats_spec(read_spec(specs["optimizer"], "optimizer", overrides=self._overrides()), callback.options)
            return [*callbacks, SpecCheckpoint(), ScheduleFree(), *feeder, *chosen]

    def configure_optimizers(self) -> Any:
        """The optimizer over everything that requires grad, and one scheduler."""
        specs = self.optim_specs()
        spec = read_spec(specs["optimizer"], "optimizer", overrides=self._overrides())
        trainer = self._trainer_or_none()
        with self.trusted():
            for callback in self._swats(trainer):
                spec = swats_spec(spec, callback.options)
            optimizer = optimizer_from_spec(spec, self, specs.get("param_groups"))
            callbacks = trainer.callbacks if trainer is not None else []
            for callback in self._swats(trainer):
                callback.disarm(optimizer)
            states = with_names(self.__dict__.pop("_resumed_states", None), self.__dict__.pop("_resumed_names", None))
            if not any(isinstance(callback, BaseFinetuning) for callback in callbacks):  # restores groups at fit start
                check_optimizer_state(states, optimizer)
            for callback in callbacks:
                if isinstance(callback, EvaluationWeights):
                    callback.prepare_groups(optimizer)
            checked = self._checked_scheduler(specs)
            run = RunLength() if trainer is None else run_length(trainer)
            scheduler = scheduler_from_spec(checked, optimizer, run)
            if trainer is not None:
                check_backward_keeps_graph(self, spec.path)
                warn_at_fit_start({**specs, "optimizer": spec.as_dict()}, trainer, run)
        scaled = trainer is not None and getattr(trainer.precision_plugin, "scaler", None) is not None
        self.__dict__["_real_steps"] = AppliedStepCounter(optimizer) if scaled else None
        needs = capabilities.of_target(spec.path)
        refused = needs.modes and trainer is not None  # by the callback that tells it its modes
        if checked.moves and needs.against_schedules and not refused:
            rank_zero_warn(f"{spec.path} {needs.against_schedules}")
        begins = trainer is not None and not trainer.global_step  # later it has left
        if begins and not any(isinstance(callback, SpecCheckpoint) for callback in callbacks):
            name = f"{type(self).__name__}.configure_callbacks"
            effect = "no plateau is fed, and a resumed run does not take over the specs of its checkpoint"
            rank_zero_warn(f"{name} drops what super() returned: {effect}")
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, **checked.lightning_keys}}

    def _swats(self, trainer: Any, more: Iterable[Callback] = ()) -> list[SWATS]:
        """The callback that wants an optimizer which can switch, wherever it was given."""
        given = [] if trainer is None else trainer.callbacks
        return [callback for callback in (*given, *more) if isinstance(callback, SWATS)]

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Moves the schedule on, unless a gradient scaler has skipped the optimizer's step."""
        steps = self.__dict__.get("_real_steps")  # None without a scaler
        if steps is not None and isinstance(scheduler, ScheduleLR) and not steps.has_moved():
            return
        super().lr_scheduler_step(scheduler, metric)

    def _check_on_all_ranks(self) -> None:
        """Stops all ranks before any data is prepared, if the specs of one are wrong or differ from those of rank 0."""
        settled: dict[str, Any] = {}
        problem: Exception | None = None
        try:
            with self.trusted():
                specs = self.optim_specs()
                validate(specs)
                if self.trainer.world_size > 1:
                    settled = canonical_specs({**dict.fromkeys(GROUPS), **specs}, self._overrides())
            check_has_steps(self.trainer)
        except Exception as error:  # of a third party's class, say: no rank may wait for one that has stopped
            problem = error
        raise_on_all_ranks(self.trainer, settled, problem)

    def _checked_scheduler(self, specs: Mapping[str, Any]) -> CheckedSchedule:
        scheduler = specs.get("scheduler")
        return check_scheduler(read_spec("none" if scheduler is None else scheduler, "scheduler"))

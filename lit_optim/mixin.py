"""``configure_optimizers`` from configuration: the one class that a LightningModule has to inherit from."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.utilities import rank_zero_warn
from torch.optim import Optimizer

from lit_optim.callbacks.plateau_feeder import PlateauFeeder
from lit_optim.callbacks.spec_checkpoint import SpecCheckpoint
from lit_optim.config import capabilities
from lit_optim.config.callbacks import make_callbacks
from lit_optim.config.checkpoint import HPARAMS, resumed_specs, stamp
from lit_optim.config.coerce import Mismatch, coerce, not_finite
from lit_optim.config.optimizer import make_optimizer
from lit_optim.config.plain import plain
from lit_optim.config.scheduler import CheckedSchedule, check_scheduler, make_scheduler
from lit_optim.config.spec import read
from lit_optim.config.validate import GROUPS, validate
from lit_optim.duration import Clock
from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.schedule_lr import ScheduleLR, rescale
from lit_optim.trainer_clock import refuse_no_steps, trainer_clock

WAYS = (
    "no optimizer is configured: either take it as an argument, def __init__(self, optimizer='adamw', "
    "scheduler=None), and call self.save_hyperparameters(), or set self.optim_spec = {'optimizer': 'adamw'}"
)


class ConfigureOptimizersMixin(LightningModule):
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

    __jit_unused_properties__: ClassVar[list[str]] = [  # type: ignore[misc]  # Lightning's is one of the class too
        *LightningModule.__jit_unused_properties__,
        "lr",
    ]

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

    @property
    def lr(self) -> float | None:
        """The learning rate: as assigned, else as configured; None where neither is known. Never raises."""
        assigned = self.__dict__.get("_assigned_lr")
        try:
            configured = read(self.optim_specs()["optimizer"], "optimizer").arguments
        except Exception:
            configured = {}
        return cast("float | None", configured.get("lr") if assigned is None else assigned)

    @lr.setter
    def lr(self, value: Any) -> None:
        """Beats the configured lr, also in hparams; groups that live already are scaled and keep their ratios."""
        if value is None:
            self.__dict__["_assigned_lr"] = None
            return
        try:
            scalar = getattr(value, "ndim", None) == 0  # of torch or numpy
            value = coerce(value.item() if scalar else value, float)
        except Mismatch as mismatch:
            raise ConfigError(wrong("lr", value, f"it {mismatch}")) from None
        if not_finite(value) or value < 0:
            raise ConfigError(wrong("lr", value, "it must be a finite number of at least 0"))
        self.__dict__["_assigned_lr"] = value
        if "optimizer" in self.__dict__.get("_hparams", {}):
            with contextlib.suppress(Exception):  # a read-only DictConfig: the checkpoint gets it all the same
                self.hparams["optimizer"] = {**read(self.hparams["optimizer"], "optimizer").as_dict(), "lr": value}
        self._rescale(value)

    def optim_specs(self) -> dict[str, Any]:
        """The four specs in force.

        Raises:
            ConfigError: if there is no optimizer among them; shows both ways to give one.
        """
        resumed = self.__dict__.get("_resumed_specs")
        own = getattr(self, "optim_spec", None)
        if own is not None:
            _check_own_spec(own, type(self).__name__)
        source = resumed or own or self.hparams
        specs = {group: source[group] for group in GROUPS if group in source}
        if specs.get("optimizer") is None:
            raise ConfigError(f"{type(self).__name__}: {WAYS}")
        return specs

    def configure_callbacks(self) -> list[Callback]:
        """Validates all specs before any data is prepared; then the optimizer callbacks and what a plateau needs."""
        given = super().configure_callbacks()
        callbacks = [given] if isinstance(given, Callback) else list(given)
        self.__dict__["_resumed_specs"] = None
        fitting = self._trainer_or_none() is not None and self.trainer.state.fn == "fit"
        try:
            specs = self.optim_specs()
            validate(specs)
            if fitting:
                refuse_no_steps(self.trainer)
        except ConfigError:
            if fitting:
                raise
            return callbacks  # a checkpoint is evaluated: nothing of this is needed
        checked = self._checked_scheduler(specs)
        feeder = [PlateauFeeder(checked.reserved["monitor"])] if checked.own and checked.follows_metric else []
        return [*callbacks, SpecCheckpoint(), *feeder, *make_callbacks(specs.get("optim_callbacks"))]

    def configure_optimizers(self) -> Any:
        """The optimizer over everything that requires grad, and one scheduler."""
        specs = self.optim_specs()
        spec = read(specs["optimizer"], "optimizer", overrides=self._overrides())
        optimizer = make_optimizer(spec, self, specs.get("param_groups"))
        trainer = self._trainer_or_none()
        checked = self._checked_scheduler(specs)
        scheduler = make_scheduler(checked, optimizer, Clock() if trainer is None else trainer_clock(trainer))
        if checked.moves and capabilities.of_target(spec.path).no_schedule:
            rank_zero_warn(f"{spec.path} reads its lr once: a schedule has no effect on it")
        if trainer is not None and not any(isinstance(callback, SpecCheckpoint) for callback in trainer.callbacks):
            name = f"{type(self).__name__}.configure_callbacks"
            rank_zero_warn(f"{name} drops what super() returned: no plateau is fed, no specs are in checkpoints")
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, **checked.lightning_keys}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Covers checkpoints of weights only, for which callbacks are not asked."""
        super().on_save_checkpoint(checkpoint)
        self.stamp_checkpoint(checkpoint)

    def stamp_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Writes the specs into a checkpoint, in plain containers."""
        specs: Mapping[str, Any] = self.optim_specs()
        optimizer = read(specs["optimizer"], "optimizer", overrides=self._overrides()).as_dict()
        names = {parameter: name for name, parameter in self.named_parameters()}
        groups = [group for live in self._live_optimizers() for group in live.param_groups]
        param_names = [[names.get(p, "") for p in group["params"]] for group in groups]
        stamp(checkpoint, {**plain(specs, "specs"), "optimizer": optimizer}, param_names)
        if self._overrides() and "optimizer" in checkpoint.get(HPARAMS, {}):
            checkpoint[HPARAMS]["optimizer"] = optimizer

    def resume_from(self, saved: dict[str, Any]) -> None:
        """Takes over the specs that a checkpoint was written with, and says what therefore has no effect."""
        now = self.optim_specs()
        now = {**now, "optimizer": read(now["optimizer"], "optimizer", overrides=self._overrides()).as_dict()}
        resumed, messages = resumed_specs(saved, now)
        if messages:
            self.__dict__["_resumed_specs"] = resumed
            rank_zero_warn("; ".join(messages))

    def reapply_lr(self) -> None:
        """Writes the groups' lrs again after `lr` was assigned, where somebody has overwritten them since."""
        for optimizer, lrs, step in self.__dict__.pop("_pending_lrs", ()):
            if self.trainer.global_step == step:  # else the schedule has gone on from them already
                for group, lr in zip(optimizer.param_groups, lrs, strict=True):
                    group["lr"] = lr

    def _rescale(self, lr: float) -> None:
        pending: list[tuple[Optimizer, list[Any], int]] = []
        for optimizer in self._live_optimizers():
            schedulers = [c.scheduler for c in self.trainer.lr_scheduler_configs if isinstance(c.scheduler, ScheduleLR)]
            if schedulers:
                schedulers[0].rescale(lr)
            else:
                rescale(optimizer, lr)
            pending.append((optimizer, [group["lr"] for group in optimizer.param_groups], self.trainer.global_step))
        if pending:
            self.__dict__["_pending_lrs"] = pending

    def _live_optimizers(self) -> list[Optimizer]:
        trainer = self._trainer_or_none()
        return list(trainer.optimizers) if trainer is not None else []

    def _checked_scheduler(self, specs: Mapping[str, Any]) -> CheckedSchedule:
        scheduler = specs.get("scheduler")
        return check_scheduler(read("none" if scheduler is None else scheduler, "scheduler"))

    def _overrides(self) -> dict[str, Any]:
        assigned = self.__dict__.get("_assigned_lr")
        return {} if assigned is None or self.__dict__.get("_resumed_specs") else {"lr": assigned}

    def _trainer_or_none(self) -> Any:
        try:
            return self.trainer
        except RuntimeError:
            return None


def _check_own_spec(spec: Any, name: str) -> None:
    """Refuses an ``optim_spec`` that is no mapping, or has a key that nobody reads."""
    if not hasattr(spec, "keys"):
        raise ConfigError(f"{name}.optim_spec={spec!r}: expects a mapping; write {{'optimizer': {spec!r}}}")
    unknown = [key for key in spec if key not in GROUPS]
    if unknown:
        hint = did_you_mean(str(unknown[0]), GROUPS, list_all=True)
        raise ConfigError(f"{name}.optim_spec[{unknown[0]!r}]: no such spec{hint}")

"""Reads the four specs of a LightningModule, and sets its learning rate."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from torch.optim import Optimizer

from lit_optim.config.checks.coerce import Mismatch, coerce, not_finite
from lit_optim.config.read.config_objects import object_fields
from lit_optim.config.read.named_specs import specs_by_name
from lit_optim.config.read.plain_containers import to_attribute_dict
from lit_optim.config.read.presets import GROUPS, REPORT
from lit_optim.config.read.spec import LR_SCALING, read_spec
from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.lightning_api import is_instance
from lit_optim.module.overridden_hooks import BASES, put_before_lightning_module
from lit_optim.module.run_state import RunState
from lit_optim.scheduler.rescale_lr import rescale_lr
from lit_optim.scheduler.schedule_lr import ScheduleLR

if TYPE_CHECKING:
    from lit_optim.callbacks import OptimizerCallback
    from lit_optim.lightning_api import Callback
    from lit_optim.lightning_api import LightningModule as Base
else:
    Base = object  # LightningModule is the user's, of either package, and follows in the bases of the user's class

WAYS = (
    "no optimizer is configured: either take it as an argument, def __init__(self, optimizer='adamw', "
    "scheduler=None), and call self.save_hyperparameters(), or set self.optim_spec = {'optimizer': 'adamw'}"
)


class _JitUnusedProperties:
    """The properties that TorchScript leaves out: those of the LightningModule behind us in the bases, and ``lr``."""

    def __get__(self, module: Any, cls: type) -> list[str]:
        return [*super(ModuleWithSpecs, cls).__jit_unused_properties__, "lr"]  # type: ignore[misc]


class ModuleWithSpecs(Base):
    """Part of a LightningModule: its specs, from ``optim_spec`` or from its hyper-parameters, and its lr."""

    __jit_unused_properties__ = _JitUnusedProperties()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let the hooks of the mixin come before those of LightningModule."""
        super().__init_subclass__(**kwargs)
        put_before_lightning_module(cls, ModuleWithSpecs)

    @functools.cached_property
    def _run_state(self) -> RunState:
        return RunState()

    def save_hyperparameters(self, *args: Any, **kwargs: Any) -> None:
        """Save as Lightning does; OmegaConf's specs become dictionaries whose keys are attributes as well.

        Raises:
            ConfigError: for a class that inherits from the mixin, but from no LightningModule.
        """
        if not is_instance(self, "LightningModule"):
            raise ConfigError(f"{type(self).__name__}: inherits from no LightningModule; {BASES}")
        frame = inspect.currentframe()
        kwargs.setdefault("frame", frame.f_back if frame else None)
        super().save_hyperparameters(*args, **kwargs)
        # Lightning drops from hparams what cannot be pickled when a fit begins
        self._run_state.given_specs |= _specs_in(self._hparams)
        for hparams in (self._hparams, getattr(self, "_hparams_initial", None)):
            if isinstance(hparams, dict):
                hparams.update({k: to_attribute_dict(v) for k, v in _specs_in(hparams).items()})

    @property
    def lr(self) -> float | None:
        """Return the lr: as assigned, else as scaled by the batch size, else as configured, else None; never raise."""
        state = self._run_state
        if state.assigned_lr is not None:
            return state.assigned_lr
        if state.scaled_lr is not None:
            return state.scaled_lr.lr
        with contextlib.suppress(Exception):
            return cast("float | None", read_spec(self.optim_specs()["optimizer"], "optimizer").arguments.get("lr"))
        return None

    @lr.setter
    def lr(self, value: Any) -> None:
        """Override the configured lr, also in hparams; groups that exist already are scaled and keep their ratios.

        It is absolute: ``lr_scaling`` has no effect on it.
        """
        if value is None:
            self._run_state.assigned_lr = None
            return
        try:
            scalar = getattr(value, "ndim", None) == 0  # of torch or numpy
            value = coerce(value.item() if scalar else value, float)
        except Mismatch as mismatch:
            raise ConfigError(wrong("lr", value, f"it {mismatch}")) from None
        if not_finite(value) or value < 0:
            raise ConfigError(wrong("lr", value, "it must be a finite number of at least 0"))
        self._reject_lr_of_several(value)
        self._run_state.assigned_lr, self._run_state.lr_of_init = value, _assigned_in_init(self)
        if "optimizer" in self.__dict__.get("_hparams", {}):
            with contextlib.suppress(Exception):  # a read-only DictConfig; the checkpoint gets the lr anyway
                spec = read_spec(self.hparams["optimizer"], "optimizer", overrides=self._overrides())
                self.hparams["optimizer"] = {**spec.as_dict(), "lr": value}
        self._rescale(value)

    def lr_without_effect(self) -> float | None:
        """Return the configured lr where ``__init__`` has assigned another one; None: there is none."""
        state, lr = self._run_state, None
        given = state.given_specs.get("optimizer")
        if state.lr_of_init and not state.resumed_specs and not isinstance(given, str):
            with contextlib.suppress(Exception):  # a spec that cannot be read is rejected elsewhere
                lr = read_spec(given, "optimizer").arguments.get("lr")
        return None if lr is None or lr == state.assigned_lr else float(lr)

    def _reject_lr_of_several(self, lr: float) -> None:
        """Raise where the specs are there already; the lr of a module that gets them later is rejected with them."""
        specs = _specs_in(getattr(self, "optim_spec", None) or self.__dict__.get("_hparams", {}))
        if named := specs_by_name(specs.get("optimizer")):
            example = f"optimizer.{next(iter(named))}.lr={lr:g}"
            rule = f"there are several optimizers ({', '.join(named)}); write e.g. {example}"
            raise ConfigError(wrong("lr", lr, rule))

    def optim_specs(self) -> dict[str, Any]:
        """Return the four specs in force.

        Raises:
            ConfigError: if there is no optimizer among them; shows both ways to give one.
        """
        if any("lr" in named for named in (self._modules, self._parameters, self._buffers)):
            rule = "is the learning rate of the configured optimizer; give the layer or tensor another name"
            raise ConfigError(f"{type(self).__name__}.lr: {rule}")
        specs = _specs_in(self._run_state.resumed_specs or self._configured_specs())
        if specs.get("optimizer") is None:
            raise ConfigError(f"{type(self).__name__}: {WAYS}")
        return specs

    def _configured_specs(self) -> Any:
        """Return what a mapping of specs is configured: ``optim_spec``, else the hyper-parameters."""
        own = getattr(self, "optim_spec", None)
        if own is not None:
            own = object_fields(own)
            _check_own_spec(own, type(self).__name__)
        return own or {**self._run_state.given_specs, **_specs_in(self.hparams)}

    def wants_report(self) -> bool:
        """Return whether ``report`` is true, in ``optim_spec`` or among the hyper-parameters.

        Raises:
            ConfigError: for a value that is neither true nor false.
        """
        own = getattr(self, "optim_spec", None)
        report = (self.hparams if own is None else object_fields(own)).get(REPORT)
        if report is not None and not isinstance(report, bool):
            raise ConfigError(wrong(REPORT, report, "must be true or false"))
        return bool(report)

    def optimizer_callbacks(self, more: Iterable[Callback] = ()) -> list[OptimizerCallback]:
        """Return the Trainer's callbacks that take part, and those of the module, which replace the Trainer's."""
        from lit_optim.callbacks import OptimizerCallback

        replaced = {type(callback) for callback in more}
        given = [c for c in getattr(self._trainer_or_none(), "callbacks", ()) if type(c) not in replaced]
        return [callback for callback in (*given, *more) if isinstance(callback, OptimizerCallback)]

    def _rescale(self, lr: float) -> None:
        live = self._live_optimizers()
        if not live:
            return
        from lit_optim.callbacks import RepeatLr

        trainer: Any = self.trainer
        before = [optimizer.defaults["lr"] for optimizer in live]
        schedules = [c.scheduler for c in trainer.lr_scheduler_configs if isinstance(c.scheduler, ScheduleLR)]
        for optimizer in live:
            if schedules:
                schedules[0].rescale(lr)
            else:
                rescale_lr(optimizer, lr)
        lrs = [(optimizer, [group["lr"] for group in optimizer.param_groups]) for optimizer in live]
        others = [callback for callback in trainer.callbacks if not isinstance(callback, RepeatLr)]
        trainer.callbacks = [RepeatLr(lrs, trainer.global_step, before), *others]

    def _live_optimizers(self) -> list[Optimizer]:
        return list(getattr(self._trainer_or_none(), "optimizers", ()))

    def _overrides(self) -> dict[str, Any]:
        state = self._run_state
        if state.assigned_lr is None or state.resumed_specs:
            return {}
        return {"lr": state.assigned_lr, LR_SCALING: None}

    def _trainer_or_none(self) -> Any:
        try:
            return self.trainer
        except RuntimeError:
            return None


def _assigned_in_init(module: Any) -> bool:
    """Return whether the attribute that is set now is set by the module's own ``__init__``."""
    frame = inspect.currentframe()
    names = ("_assigned_in_init", "lr", "__setattr__")
    while frame is not None and frame.f_code.co_name in names:
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name == "__init__" and module in frame.f_locals.values()


def _specs_in(hparams: Any) -> dict[str, Any]:
    return {group: hparams[group] for group in GROUPS if group in hparams}


def _check_own_spec(spec: Any, name: str) -> None:
    """Reject an ``optim_spec`` that is not a mapping, or has an unknown key."""
    if not hasattr(spec, "keys"):
        raise ConfigError(f"{name}.optim_spec={spec!r}: expects a mapping; write {{'optimizer': {spec!r}}}")
    unknown = [key for key in spec if key not in (*GROUPS, REPORT)]
    if unknown:
        hint = did_you_mean(str(unknown[0]), (*GROUPS, REPORT), list_all=True)
        raise ConfigError(f"{name}.optim_spec[{unknown[0]!r}]: no such spec{hint}")

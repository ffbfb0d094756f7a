"""Where a LightningModule keeps its four specs, and the lr that may be assigned to it."""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import Any, ClassVar, cast

from torch.optim import Optimizer

from lit_optim.callbacks.repeat_lr import RepeatLr
from lit_optim.config.checks.coerce import Mismatch, coerce, not_finite
from lit_optim.config.read.plain_containers import to_attribute_dict
from lit_optim.config.read.presets import GROUPS
from lit_optim.config.read.spec import read_spec
from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.lightning_api import LightningModule
from lit_optim.module.run_state import RunState
from lit_optim.scheduler.rescale_lr import rescale_lr
from lit_optim.scheduler.schedule_lr import ScheduleLR

WAYS = (
    "no optimizer is configured: either take it as an argument, def __init__(self, optimizer='adamw', "
    "scheduler=None), and call self.save_hyperparameters(), or set self.optim_spec = {'optimizer': 'adamw'}"
)


class ModuleWithSpecs(LightningModule):
    """A LightningModule that knows its specs, from ``optim_spec`` or from its hyper-parameters, and its lr."""

    __jit_unused_properties__: ClassVar[list[str]] = [  # type: ignore[misc]  # Lightning's is one of the class too
        *LightningModule.__jit_unused_properties__,
        "lr",
    ]

    @functools.cached_property
    def _run_state(self) -> RunState:
        return RunState()

    def save_hyperparameters(self, *args: Any, **kwargs: Any) -> None:
        """Lightning's; specs of OmegaConf become dictionaries whose keys are attributes as well."""
        frame = inspect.currentframe()
        kwargs.setdefault("frame", frame.f_back if frame else None)
        super().save_hyperparameters(*args, **kwargs)
        # what cannot be pickled Lightning drops from hparams when a fit begins
        given = {k: v for k, v in self._hparams.items() if k in GROUPS}
        self._run_state.given_specs |= given
        for hparams in (self._hparams, getattr(self, "_hparams_initial", None)):
            if isinstance(hparams, dict):
                hparams.update({k: to_attribute_dict(v) for k, v in hparams.items() if k in GROUPS})

    @property
    def lr(self) -> float | None:
        """The learning rate: as assigned, else as configured; None where neither is known. Never raises."""
        assigned = self._run_state.assigned_lr
        try:
            configured = read_spec(self.optim_specs()["optimizer"], "optimizer").arguments
        except Exception:
            configured = {}
        return cast("float | None", configured.get("lr") if assigned is None else assigned)

    @lr.setter
    def lr(self, value: Any) -> None:
        """Beats the configured lr, also in hparams; groups that live already are scaled and keep their ratios."""
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
        self._run_state.assigned_lr = value
        if "optimizer" in self.__dict__.get("_hparams", {}):
            with contextlib.suppress(Exception):  # a read-only DictConfig: the checkpoint gets it all the same
                self.hparams["optimizer"] = {**read_spec(self.hparams["optimizer"], "optimizer").as_dict(), "lr": value}
        self._rescale(value)

    def optim_specs(self) -> dict[str, Any]:
        """The four specs in force.

        Raises:
            ConfigError: if there is no optimizer among them; shows both ways to give one.
        """
        resumed = self._run_state.resumed_specs
        own = getattr(self, "optim_spec", None)
        if own is not None:
            _check_own_spec(own, type(self).__name__)
        source = resumed or own or {**self._run_state.given_specs, **_specs_in(self.hparams)}
        specs = _specs_in(source)
        if specs.get("optimizer") is None:
            raise ConfigError(f"{type(self).__name__}: {WAYS}")
        return specs

    def _rescale(self, lr: float) -> None:
        lrs: list[tuple[Optimizer, list[Any]]] = []
        before = [optimizer.defaults["lr"] for optimizer in self._live_optimizers()]
        for optimizer in self._live_optimizers():
            schedulers = [c.scheduler for c in self.trainer.lr_scheduler_configs if isinstance(c.scheduler, ScheduleLR)]
            if schedulers:
                schedulers[0].rescale(lr)
            else:
                rescale_lr(optimizer, lr)
            lrs.append((optimizer, [group["lr"] for group in optimizer.param_groups]))
        if lrs:
            trainer: Any = self.trainer
            others = [callback for callback in trainer.callbacks if not isinstance(callback, RepeatLr)]
            trainer.callbacks = [RepeatLr(lrs, trainer.global_step, before), *others]

    def _live_optimizers(self) -> list[Optimizer]:
        trainer = self._trainer_or_none()
        return list(trainer.optimizers) if trainer is not None else []

    def _overrides(self) -> dict[str, Any]:
        state = self._run_state
        return {} if state.assigned_lr is None or state.resumed_specs else {"lr": state.assigned_lr}

    def _trainer_or_none(self) -> Any:
        try:
            return self.trainer
        except RuntimeError:
            return None


def _specs_in(hparams: Any) -> dict[str, Any]:
    return {group: hparams[group] for group in GROUPS if group in hparams}


def _check_own_spec(spec: Any, name: str) -> None:
    """Refuses an ``optim_spec`` that is no mapping, or has a key that nobody reads."""
    if not hasattr(spec, "keys"):
        raise ConfigError(f"{name}.optim_spec={spec!r}: expects a mapping; write {{'optimizer': {spec!r}}}")
    unknown = [key for key in spec if key not in GROUPS]
    if unknown:
        hint = did_you_mean(str(unknown[0]), GROUPS, list_all=True)
        raise ConfigError(f"{name}.optim_spec[{unknown[0]!r}]: no such spec{hint}")

"""Convert the spec of an Adam to that of SWATS."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch.optim import Optimizer

from lit_optim.config.checks.locate import locate
from lit_optim.config.read.spec import Spec
from lit_optim.errors import ConfigError, wrong
from lit_optim.optimizers.swats.optimizer import SWATS

TARGET = "lit_optim.optimizers.SWATS"
OUR_ADAM = "lit_optim.optimizers.Adam"  # not imported here: LightningCLI knows classes by name, and would find two
DECOUPLED = ("decoupled", "decoupled_weight_decay")  # the names of one argument, here and in torch
SHARED = ("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize", "compile")
DROPPED = ("fused", "foreach")  # how torch computes its own Adam, and nothing else
ADVICE = "choose optimizer=adam, adamw, amsgrad or swats"


def swats_spec(spec: Spec, options: Mapping[str, Any]) -> Spec:
    """Return what `optim_callbacks=swats` builds in place of a configured Adam: the same steps, until it switches.

    Args:
        spec: of `torch.optim.Adam`, `AdamW`, or our own `Adam`; to that of a `SWATS` the options are added.
        options: the callback's arguments that the optimizer takes.

    Raises:
        ConfigError: for any other optimizer, and for arguments that SWATS has not.

    Example:
        >>> swats_spec(Spec("torch.optim.AdamW", {"lr": 0.1}), {"switch_tol": 1e-5}).arguments["weight_decay"]
        0.01
    """
    cls = locate(spec.target, Optimizer, spec.key) if isinstance(spec.target, (str, type)) else type(None)
    if issubclass(cls, SWATS):
        return _with_options(spec, options)
    if cls not in (torch.optim.Adam, torch.optim.AdamW) and spec.path != OUR_ADAM:
        raise ConfigError(wrong(spec.key, spec.path, f"optim_callbacks=swats switches from an Adam to SGD; {ADVICE}"))
    for name, value in spec.arguments.items():
        if name not in (*SHARED, *DECOUPLED, *DROPPED) and value not in (None, False):
            rule = f"an Adam that can switch to SGD (optim_callbacks=swats) has no {name!r}; remove it"
            raise ConfigError(wrong(f"{spec.key}.{name}", value, rule))
    parameters = inspect.signature(cls).parameters
    given = {name: parameters[name].default for name in (*SHARED, *DECOUPLED) if name in parameters} | spec.arguments
    shared = {name: given[name] for name in SHARED if name in given}
    decoupled = cls is torch.optim.AdamW or next(filter(None, map(given.get, DECOUPLED)), False)
    return Spec(TARGET, {**shared, "decoupled": decoupled, "eps_placement": "torch", **options}, spec.key)


def _with_options(spec: Spec, options: Mapping[str, Any]) -> Spec:
    """Add the options to the spec of a SWATS; reject values that differ from those of the spec."""
    defaults = {name: inspect.signature(SWATS).parameters[name].default for name in options}
    changed = {name: value for name, value in options.items() if value != defaults[name]}
    for name, value in changed.items():
        own = spec.arguments.get(name, defaults[name])
        if own not in (value, defaults[name]):
            rule = f"and optim_callbacks.swats.{name}={value!r}; remove one of them"
            raise ConfigError(wrong(f"{spec.key}.{name}", own, rule))
    return replace(spec, arguments={**spec.arguments, **changed})

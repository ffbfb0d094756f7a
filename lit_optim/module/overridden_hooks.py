"""Checks a class that inherits from the mixin when the class is made."""

from __future__ import annotations

import warnings

from lit_optim.errors import ConfigError
from lit_optim.lightning_api import imported_classes
from lit_optim.module.subclass_writes import HOOK, wrap_overridden_hook

BASES = "write class Net(ConfigureOptimizersMixin, LightningModule), the mixin first"


def put_before_lightning_module(cls: type, mixin: type) -> None:
    """Move LightningModule behind the mixin in the classes that a new class inherits from.

    In ``class Net(Base, Mixin)`` with ``class Base(LightningModule)`` it would hide all hooks of the mixin.

    Args:
        cls: the new class.
        mixin: the last of the mixin's own classes.

    Raises:
        ConfigError: where LightningModule itself is listed before the mixin.
    """
    for base in imported_classes("LightningModule"):
        if base in cls.__mro__[: cls.__mro__.index(mixin)]:
            try:
                cls.__bases__ = (*cls.__bases__, mixin, base)  # behind all that are listed
            except TypeError:
                raise ConfigError(f"{cls.__name__}: LightningModule is listed before the mixin; {BASES}") from None


def adopt_overridden_hooks(cls: type, mixin: type) -> None:
    """Warn of hooks that a class overrides without ``super()``, and let its ``configure_optimizers`` change groups."""
    warn_of_overridden_hooks(cls, mixin, HOOK, "configure_callbacks", "lr_scheduler_step")
    wrap_overridden_hook(cls, mixin)


def warn_of_overridden_hooks(cls: type, mixin: type, *hooks: str) -> None:
    """Warn of hooks of the mixin that a class overrides without calling ``super()``.

    Args:
        cls: the new class.
        mixin: whose hooks they are.
        hooks: their names.
    """
    for hook in hooks:
        owner = next(base for base in cls.__mro__ if hook in vars(base))
        if owner is mixin or (owner is not cls and issubclass(owner, mixin)):
            continue  # ours, or checked when its class was made
        method = vars(owner)[hook]
        code = getattr(method, "__code__", None)
        calls_super = code is not None and {"super", hook, "step"} & {*code.co_names, *code.co_freevars}
        if method is not vars(mixin)[hook] and not calls_super:
            effect = (
                "the schedule does not move" if hook == "lr_scheduler_step" else "the configuration has no effect there"
            )
            text = f"{owner.__name__}.{hook} does not call super().{hook}(), so {effect}"
            warnings.warn(text, stacklevel=4)

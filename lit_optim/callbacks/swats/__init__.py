"""SWATS in a Lightning run: when to switch from Adam to SGD, what to log, and which schedules fit."""

from typing import TYPE_CHECKING

from lit_optim.imports import lazy_names

if TYPE_CHECKING:
    from lit_optim.callbacks.swats.callback import SWATS

__all__ = ["SWATS"]

__getattr__, __dir__ = lazy_names(__name__, __all__, {"SWATS": "lit_optim.callbacks.swats.callback"})

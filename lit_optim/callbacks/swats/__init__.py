"""SWATS in a Lightning run: when to switch from Adam to SGD, what to log, and which schedules fit."""

from lit_optim.callbacks.swats.callback import SWATS

__all__ = ["SWATS"]

"""Gradual unfreezing in a Lightning run: which parameters are trained from which step on, with which lr."""

from lit_optim.callbacks.unfreeze.callback import Unfreeze

__all__ = ["Unfreeze"]

"""End a run at a signal, so that it can go on from there."""

from lit_optim.callbacks.save_on_signal.callback import SaveOnSignal

__all__ = ["SaveOnSignal"]

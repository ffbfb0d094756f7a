"""A planned change of optimizer in a Lightning run: when it takes place, and which schedules fit."""

from lit_optim.callbacks.switch.callback import Switch

__all__ = ["Switch"]

"""A planned change of optimizer: one object whose second class takes over. Its groups, its state, and the optimizer."""

from lit_optim.optimizers.switched.optimizer import Switched

__all__ = ["Switched"]

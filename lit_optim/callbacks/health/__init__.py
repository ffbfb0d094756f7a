"""How healthy the training of each param group is: sums over a step, quantities, warnings in words."""

from lit_optim.callbacks.health.callback import Health

__all__ = ["Health"]

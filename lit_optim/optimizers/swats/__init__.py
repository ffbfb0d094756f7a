"""SWATS: Adam that can switch to SGD. The estimate of SGD's lr, the rules of both phases, and the optimizer."""

from lit_optim.optimizers.swats.optimizer import SWATS

__all__ = ["SWATS"]

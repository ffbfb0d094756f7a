"""The finite guard: no step on numbers that are not finite, and no such weights in a checkpoint."""

from lit_optim.callbacks.finite_guard.callback import FiniteGuard

__all__ = ["FiniteGuard"]

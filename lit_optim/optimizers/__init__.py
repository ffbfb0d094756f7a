"""What is known of optimizers: which implementation of torch's own ones is the fastest that is right."""

from lit_optim.optimizers.implementation import fastest, keep_exact

__all__ = ["fastest", "keep_exact"]

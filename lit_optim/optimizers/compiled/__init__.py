"""One-pass versions of torch's optimizers that have no fused kernel on a CPU; state dicts fit torch's own classes."""

from typing import TYPE_CHECKING

from lit_optim.imports import lazy_names

if TYPE_CHECKING:
    from lit_optim.optimizers.compiled.adadelta import Adadelta
    from lit_optim.optimizers.compiled.adamax import Adamax
    from lit_optim.optimizers.compiled.nadam import NAdam
    from lit_optim.optimizers.compiled.radam import RAdam
    from lit_optim.optimizers.compiled.rmsprop import RMSprop

__all__ = ["Adadelta", "Adamax", "NAdam", "RAdam", "RMSprop"]

__getattr__, __dir__ = lazy_names(__name__, __all__)

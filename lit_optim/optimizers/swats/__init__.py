"""SWATS: Adam that can switch to SGD. The estimate of SGD's lr, the rules of both phases, and the optimizer."""

from typing import TYPE_CHECKING

from lit_optim.imports import lazy_names

if TYPE_CHECKING:
    from lit_optim.optimizers.swats.optimizer import SWATS

__all__ = ["SWATS"]

__getattr__, __dir__ = lazy_names(__name__, __all__, {"SWATS": "lit_optim.optimizers.swats.optimizer"})

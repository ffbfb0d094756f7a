"""Transforms of gradients between the backward pass and the update, in plain torch.

``Noise(eta=0.01).attach(optimizer, model)`` is all that a training loop needs.
"""

from lit_optim.gradients.agc import Agc
from lit_optim.gradients.centralize import Centralize
from lit_optim.gradients.noise import Noise
from lit_optim.gradients.transforms import Chain, Link

__all__ = ["Agc", "Centralize", "Chain", "Link", "Noise"]


def __dir__() -> list[str]:
    return __all__

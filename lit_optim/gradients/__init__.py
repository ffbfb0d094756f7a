"""What happens to gradients between the backward pass and the update; torch only.

``Noise(eta=0.01).attach(optimizer, model)`` is all that a training loop needs.
"""

from lit_optim.gradients.agc import Agc
from lit_optim.gradients.centralize import Centralize
from lit_optim.gradients.chain import Chain
from lit_optim.gradients.link import Link
from lit_optim.gradients.noise import Noise

__all__ = ["Agc", "Centralize", "Chain", "Link", "Noise"]

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from lit_optim.averaging.shadow_weights import ShadowWeights
from lit_optim.distributed import local_tensor
from lit_optim.errors import ConfigError, wrong

DECAY = "average_decay"  # in every param group


class ExponentialMovingAverage(ShadowWeights):
    r"""Keeps an exponential moving average of the weights, to evaluate and save it; training is not affected.

    .. math:: a_1 = \theta_1, \qquad a_t = d\, a_{t-1} + (1-d)\, \theta_t

    after every step t of the optimizer, by parameter (one that is unfrozen later begins at its own first step). Buffers
    - the statistics of a BatchNorm, say - stay those of the live weights. The average is of the parameter's dtype: with
    16 bits a decay above 0.99 is lost in rounding.

    Args:
        decay: d; ``average_decay`` in the param groups, read at every step, so that it can be scheduled.

    Raises:
        ConfigError: for a decay outside of [0, 1).

    Example:
        >>> p = torch.zeros(1, requires_grad=True)
        >>> optimizer = torch.optim.SGD([p], lr=1.0)
        >>> average = ExponentialMovingAverage(decay=0.75).attach(optimizer)
        >>> for _ in range(2):
        ...     p.grad = -torch.ones(1)
        ...     optimizer.step()
        >>> with average.evaluation():
        ...     print(p.item())
        1.25
    """

    key = "average"

    def __init__(self, decay: float = 0.999) -> None:
        super().__init__()
        check_decay(decay)
        self.decay = decay

    def prepare_groups(self, optimizer: Optimizer) -> None:
        """Add the decay to every group that lacks it."""
        for group in optimizer.param_groups:
            group.setdefault(DECAY, self.decay)

    def create(self) -> None:
        """Begin the average of every parameter with a gradient that has no average yet."""
        for group in self.optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None and self.key not in self.optimizer.state.get(p, ()):
                    self.optimizer.state[p][self.key] = p.detach().clone()

    def after_step(self) -> None:
        """Update the averages, and begin those of new parameters."""
        self.prepare_groups(self.optimizer)
        for group in self.optimizer.param_groups:
            by_dtype: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
            for p, state in self.shadowed(group):
                averages, weights = by_dtype.setdefault(p.dtype, ([], []))
                averages.append(local_tensor(state[self.key]))
                weights.append(local_tensor(p))
            for averages, weights in by_dtype.values():
                torch._foreach_lerp_(averages, weights, 1 - float(group[DECAY]))
        self.create()


def check_decay(decay: Any) -> None:
    """Reject a decay that is out of range.

    Raises:
        ConfigError: for a value outside of [0, 1).
    """
    if isinstance(decay, bool) or not isinstance(decay, (int, float)) or not 0 <= decay < 1:
        raise ConfigError(wrong("decay", decay, "must be a number of at least 0 and below 1; write e.g. 0.999"))

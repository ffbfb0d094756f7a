from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from lit_optim.averaging.shadow_weights import ShadowWeights

if TYPE_CHECKING:
    from typing_extensions import Self


def is_schedule_free(optimizer: Any) -> bool:
    """Whether an optimizer, or its class, is one that has to be told when its weights are trained and when evaluated.

    Example:
        >>> is_schedule_free(torch.optim.AdamW)
        False
    """
    return callable(getattr(optimizer, "train", None)) and callable(getattr(optimizer, "eval", None))


class ScheduleFree(ShadowWeights):
    r"""The evaluation weights of a schedule-free optimizer (Defazio et al., 2024), by its ``train()`` and ``eval()``.

    Such an optimizer computes gradients at y and is evaluated at x, and turns one into the other in place. There and
    back again is not the identity in floating point, so that the number of validations would change the training: here
    y is kept while x is evaluated (one copy of the weights, for that time), and comes back bit for bit.

    Paper: https://arxiv.org/abs/2405.15682
    """

    key = "x"  # of which there is no such entry: it is computed

    def attach(self, optimizer: Optimizer) -> Self:
        """Begins to follow an optimizer, and tells it to train."""
        super().attach(optimizer)
        self._tell("train")
        return self

    @torch.no_grad()
    def swap_in(self) -> None:
        """The parameters take the evaluation weights; again is without effect."""
        self.swap_out()  # a loaded optimizer may be told to train while its parameters hold what was evaluated
        for p, state in self.states():
            state[self.live] = p.detach().clone()
        self._tell("eval")
        self._maybe_swapped = True

    @torch.no_grad()
    def swap_out(self) -> None:
        """The parameters take the live weights back, bit for bit."""
        if not self._maybe_swapped:
            return
        self._tell("train")
        for p, state in self.states():
            if self.live in state:
                p.copy_(state.pop(self.live))
        self._maybe_swapped = False

    def evaluated(self) -> dict[Tensor, Tensor]:
        """The evaluation weights by parameter, in tensors of their own."""
        if any(self.live in state for _, state in self.states()):
            return {}  # the parameters hold them
        with self.evaluation():
            return {p: p.detach().clone() for p, _ in self.states()}

    def computed(self) -> dict[Tensor, Tensor]:
        """All of them."""
        return self.evaluated()

    def create(self) -> None:
        """There is nothing to create."""

    def _tell(self, mode: str) -> None:
        getattr(self.optimizer, mode)()
        state = self.optimizer.state
        for p in [p for p, entry in state.items() if not entry]:  # left by a look into a defaultdict: looks stepped
            del state[p]

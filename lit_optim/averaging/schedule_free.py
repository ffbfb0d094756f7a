from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from lit_optim.averaging.shadow_weights import ShadowWeights

if TYPE_CHECKING:
    from typing_extensions import Self


def is_schedule_free(optimizer: Any) -> bool:
    """Return whether an optimizer, or its class, has ``train()`` and ``eval()``, which switch its weights.

    Example:
        >>> is_schedule_free(torch.optim.AdamW)
        False
    """
    return callable(getattr(optimizer, "train", None)) and callable(getattr(optimizer, "eval", None))


class ScheduleFree(ShadowWeights):
    r"""Switches a schedule-free optimizer (Defazio et al., 2024) between its weights by ``train()`` and ``eval()``.

    Such an optimizer computes gradients at y and is evaluated at x, and turns one into the other in place. There and
    back again is not the identity in floating point, so that the number of validations would change the training: here
    y is kept while x is evaluated (one copy of the weights, for that time), and comes back bit for bit.

    Paper: https://arxiv.org/abs/2405.15682
    """

    key = "x"  # no entry of the state: x is computed

    def attach(self, optimizer: Optimizer) -> Self:
        """Attach to an optimizer, and switch it to training."""
        super().attach(optimizer)
        self._set_mode("train")
        return self

    @torch.no_grad()
    def swap_in(self) -> None:
        """Put the evaluation weights into the parameters; a second call has no effect."""
        self.swap_out()  # a loaded optimizer may say that it trains while its parameters hold the evaluation weights
        for p, state in self.states():
            state[self.live] = p.detach().clone()
        self._set_mode("eval")
        self.may_be_swapped = True

    @torch.no_grad()
    def swap_out(self) -> None:
        """Put the live weights back into the parameters, bit for bit."""
        if not self.may_be_swapped:
            return
        self._set_mode("train")
        for p, state in self.states():
            if self.live in state:
                p.copy_(state.pop(self.live))
        self.may_be_swapped = False

    def evaluated(self) -> dict[Tensor, Tensor]:
        """Return copies of the evaluation weights by parameter."""
        if any(self.live in state for _, state in self.states()):
            return {}  # the parameters hold them
        with self.evaluation():
            return {p: p.detach().clone() for p, _ in self.states()}

    def computed(self) -> dict[Tensor, Tensor]:
        """Return all evaluation weights: none are kept in the optimizer state."""
        return self.evaluated()

    def _set_mode(self, mode: str) -> None:
        getattr(self.optimizer, mode)()
        state = self.optimizer.state
        # a look-up in the defaultdict leaves an empty entry, which looks like that of a parameter that has stepped
        for p in [p for p, entry in state.items() if not entry]:
            del state[p]

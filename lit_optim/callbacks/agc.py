from __future__ import annotations

from typing import Any

from lit_optim import gradients
from lit_optim.callbacks.gradient_transform import GradientTransform


class Agc(GradientTransform):
    """Clips gradients unit by unit before the Trainer's own clipping, with `lit_optim.gradients.Agc`.

    Args:
        lam: largest ratio of the norms of a unit's gradient and weights.
        eps: smallest norm that the weights of a unit count with.
        exclude: parameters that are not clipped: names, patterns (``head.*``), types (``norm``, ``bias``). The paper
            leaves out the final linear layer.

    Raises:
        ConfigError: if a number is not positive.

    Paper: Brock et al. 2021, High-Performance Large-Scale Image Recognition Without Normalization, arXiv:2102.06171

    Example:
        >>> Agc(lam=0)
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: lam=0: the largest ratio of gradient to weights; must be a finite number above 0;
        write e.g. 0.01
    """

    def __init__(self, lam: float = 0.01, eps: float = 1e-3, exclude: Any = ()) -> None:
        self.lam, self.eps, self.exclude = lam, eps, exclude
        super().__init__()

    def link(self) -> gradients.Agc:
        """Create the clipping of one optimizer."""
        return gradients.Agc(self.lam, self.eps, self.exclude)

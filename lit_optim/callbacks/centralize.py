from __future__ import annotations

from typing import Any

from lit_optim import gradients
from lit_optim.callbacks.gradient_transform import GradientTransform


class Centralize(GradientTransform):
    """Centralizes gradients before any clipping, with `lit_optim.gradients.Centralize`.

    Args:
        exclude: parameters that are left alone: names, patterns (``head.*``).

    Paper: Yong et al. 2020, Gradient Centralization: A New Optimization Technique for Deep Neural Networks,
    arXiv:2004.01461

    Example:
        >>> Centralize(exclude=["head.*"]).link().exclude
        ('head.*',)
    """

    def __init__(self, exclude: Any = ()) -> None:
        self.exclude = exclude
        super().__init__()

    def link(self) -> gradients.Centralize:
        """Create the centralization of one optimizer."""
        return gradients.Centralize(self.exclude)

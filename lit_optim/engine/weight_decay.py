"""Weight decay in its two forms: of the gradient (L2), or of the weights themselves (decoupled)."""

from __future__ import annotations

from typing import Literal, TypeAlias

from torch import Tensor

from lit_optim.engine.ops import Number, with_decay

Decay: TypeAlias = Literal["none", "l2", "decoupled"]


def decay_scalar(decay: Decay, lr: Number, weight_decay: Number) -> Number:
    """Return the number that `apply_decay` takes: the L2 coefficient, or the factor of the weights.

    Example:
        >>> decay_scalar("l2", 0.1, 0.5), decay_scalar("decoupled", 0.1, 0.5)
        (0.5, 0.95)
    """
    return 1 - lr * weight_decay if decay == "decoupled" else weight_decay


def apply_decay(p: Tensor, g: Tensor, decay_by: Number, decay: Decay, out: Tensor) -> Tensor:
    """Shrink ``p`` in place (decoupled), or return ``g + weight_decay p`` in ``out`` (L2).

    Returns:
        The gradient to go on with; ``g`` itself is never written to.

    Example:
        >>> import torch
        >>> p, g = torch.tensor([2.0]), torch.tensor([1.0])
        >>> apply_decay(p, g, 0.5, "l2", torch.empty(1)), apply_decay(p, g, 0.5, "decoupled", torch.empty(1)), p
        (tensor([2.]), tensor([1.]), tensor([1.]))
    """
    if decay == "decoupled":
        p.mul_(decay_by)
    return with_decay(g, p, decay_by, out=out) if decay == "l2" else g

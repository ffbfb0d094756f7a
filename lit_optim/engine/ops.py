"""Define the in-place operations that rules are written in, one for each form of a factor.

A factor is a float in eager mode, a 0-dim tensor where a rule is compiled, and a 1-D tensor where param groups that
differ in it share a call. For a float torch has these as one call without a temporary.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

Number: TypeAlias = "float | Tensor"
Decay: TypeAlias = Literal["none", "l2", "decoupled"]


def average_(mean: Tensor, new: Tensor, decay: Number, one_minus_decay: Number) -> Tensor:
    """Set ``mean = decay mean + one_minus_decay new``, in place.

    Example:
        >>> average_(torch.tensor([1.0]), torch.tensor([3.0]), 0.5, 0.5)
        tensor([2.])
    """
    if isinstance(one_minus_decay, Tensor):
        return mean.mul_(decay).add_(new * one_minus_decay)
    return mean.lerp_(new, one_minus_decay)


def add_(x: Tensor, y: Tensor, factor: Number) -> Tensor:
    """Set ``x = x + factor y``, in place.

    Example:
        >>> add_(torch.tensor([1.0]), torch.tensor([3.0]), -2.0)
        tensor([-5.])
    """
    return x.add_(y * factor) if isinstance(factor, Tensor) else x.add_(y, alpha=factor)


def add_product_(x: Tensor, y: Tensor, z: Tensor, factor: Number) -> Tensor:
    """Set ``x = x + factor y z``, in place.

    Example:
        >>> add_product_(torch.tensor([1.0]), torch.tensor([3.0]), torch.tensor([2.0]), 0.5)
        tensor([4.])
    """
    return x.add_(y * z * factor) if isinstance(factor, Tensor) else x.addcmul_(y, z, value=factor)


def add_quotient_(x: Tensor, y: Tensor, z: Tensor, factor: Number) -> Tensor:
    """Set ``x = x + factor y / z``, in place.

    Example:
        >>> add_quotient_(torch.tensor([1.0]), torch.tensor([3.0]), torch.tensor([2.0]), 2.0)
        tensor([4.])
    """
    return x.add_(y / z * factor) if isinstance(factor, Tensor) else x.addcdiv_(y, z, value=factor)


def scaled_sum_(x: Tensor, y: Tensor, factor: Number) -> Tensor:
    """Set ``x = factor x + y``, in place.

    Example:
        >>> scaled_sum_(torch.tensor([1.0]), torch.tensor([3.0]), 2.0)
        tensor([5.])
    """
    return x.mul_(factor).add_(y) if isinstance(factor, Tensor) else torch.add(y, x, alpha=factor, out=x)


def with_decay(g: Tensor, p: Tensor, weight_decay: Number, out: Tensor) -> Tensor:
    """Set ``out = g + weight_decay p``, the gradient of the loss with L2 regularization.

    Example:
        >>> with_decay(torch.tensor([1.0]), torch.tensor([3.0]), 0.5, torch.empty(1))
        tensor([2.5000])
    """
    if isinstance(weight_decay, Tensor):
        return torch.add(g, p * weight_decay, out=out)
    return torch.add(g, p, alpha=weight_decay, out=out)


def dot(x: Tensor, y: Tensor) -> Tensor:
    """Return the dot product in 64 bits, whatever the dtype of its factors; of matrices, that of each row.

    Example:
        >>> dot(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
        tensor(11., dtype=torch.float64)
    """
    return (x.double() * y.double()).sum(-1) if x.ndim > 1 else torch.dot(x.double(), y.double())


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

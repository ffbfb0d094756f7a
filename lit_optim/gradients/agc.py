"""Clip gradients adaptively: limit the norm of each unit's gradient relative to that of its weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from lit_optim.distributed import local_tensor, sum_split_units, units_are_split
from lit_optim.errors import ConfigError, wrong
from lit_optim.gradients.transforms import Gradient, Link
from lit_optim.schedules.checks import is_number


def unit_norm(tensor: Tensor) -> Tensor:
    """Compute the norm of each unit, in float32 at least.

    Units are the rows (all but dimension 0) of a matrix or a kernel; a vector or scalar is one unit.

    Example:
        >>> unit_norm(torch.tensor([[3.0, 4.0], [0.0, 1.0]])), unit_norm(torch.tensor([3.0, 4.0]))
        (tensor([[5.],
                [1.]]), tensor(5.))
    """
    dtype = torch.float32 if tensor.dtype in (torch.bfloat16, torch.float16) else None
    rows = {"dim": tuple(range(1, tensor.ndim)), "keepdim": True} if tensor.ndim > 1 else {}
    norm: Tensor = torch.linalg.vector_norm(tensor, dtype=dtype, **rows)
    return norm


def clip_factor(weights: Tensor, grads: Tensor, lam: float, eps: float) -> Tensor:
    r"""Compute the factor that equation 3 of Brock et al. multiplies the gradient of each unit with.

    .. math:: \min\left(1, \lambda \frac{\max(\lVert W_i \rVert, \epsilon)}{\lVert G_i \rVert}\right)

    Args:
        weights: norm of each unit of the parameter.
        grads: norm of each unit of the gradient.
        lam: largest ratio of the norms of gradient and weights.
        eps: smallest norm that weights count with.

    Example:
        >>> clip_factor(torch.tensor([2.0, 0.0, 2.0]), torch.tensor([0.1, 0.1, 0.0]), lam=0.01, eps=1e-3)
        tensor([2.0000e-01, 1.0000e-04, 1.0000e+00])
    """
    return weights.clamp(min=eps).mul_(lam).div_(grads).clamp_(max=1)


class Agc(Link):
    """Scales down the gradient of each unit whose norm is above ``lam`` times that of its weights.

    A unit is an output row of a matrix or a kernel (of 1-D convolutions too), and a bias or gain as a whole. The paper
    leaves out the final linear layer: name it, as in ``exclude=["head.*"]``.

    Args:
        lam: largest ratio of the norms of gradient and weights.
        eps: smallest norm that weights count with, so that zeros can grow.
        exclude: parameters that are not clipped: names, patterns (``head.*``), types (``norm``, ``bias``).

    Raises:
        ConfigError: if a number is not positive.

    Paper: Brock et al. 2021, High-Performance Large-Scale Image Recognition Without Normalization, arXiv:2102.06171

    Example:
        >>> layer = torch.nn.Linear(2, 1, bias=False)
        >>> _ = layer.weight.data.fill_(1.0)
        >>> optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
        >>> _ = Agc(lam=0.1).attach(optimizer)
        >>> layer(torch.ones(2)).sum().backward(); optimizer.step(); layer.weight.data
        tensor([[0.9000, 0.9000]])
    """

    kind = "agc"

    def __init__(self, lam: float = 0.01, eps: float = 1e-3, exclude: Any = ()) -> None:
        super().__init__(exclude)
        self.lam = check_positive("lam", lam, "the largest ratio of gradient to weights", 0.01)
        self.eps = check_positive("eps", eps, "the smallest norm that weights count with", 0.001)

    def apply(self, gradients: Iterable[Gradient]) -> None:
        """Clip each unit; one all-reduce completes the norms of all units that ranks share."""
        split: list[Gradient] = []
        for entry in gradients:
            if units_are_split(entry.parameter):
                split.append(entry)
                continue
            grad = local_tensor(entry.grad)
            grad.mul_(clip_factor(unit_norm(local_tensor(entry.parameter)), unit_norm(grad), self.lam, self.eps))
        if not split:
            return
        pairs = [(local_tensor(entry.parameter), local_tensor(entry.grad)) for entry in split]
        squares = [torch.stack([unit_norm(tensor).double().square() for tensor in pair]) for pair in pairs]
        sum_split_units(squares, [entry.parameter for entry in split])
        for (_, grad), (weights, grads) in zip(pairs, squares, strict=True):
            scale = clip_factor(weights.sqrt(), grads.sqrt(), self.lam, self.eps)
            grad.mul_(scale.to(torch.float64 if grad.dtype == torch.float64 else torch.float32))


def check_positive(name: str, value: Any, meaning: str, example: float) -> float:
    """Check and return a positive finite number.

    Raises:
        ConfigError: if it is anything else.
    """
    if not is_number(value) or value <= 0:
        raise ConfigError(wrong(name, value, f"{meaning}; must be a finite number above 0; write e.g. {example}"))
    return float(value)

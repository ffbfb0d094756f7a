"""Adaptive gradient clipping: each unit's gradient is limited to a share of the unit's weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from lit_optim.distributed import local_tensor, sum_split_units, units_are_split
from lit_optim.gradients.link import Given, Link, positive


def unit_norm(tensor: Tensor) -> Tensor:
    """The norm of each unit, in float32 at least: rows (dimensions 1..n) of a matrix or a kernel, else the whole.

    Example:
        >>> unit_norm(torch.tensor([[3.0, 4.0], [0.0, 1.0]])), unit_norm(torch.tensor([3.0, 4.0]))
        (tensor([[5.],
                [1.]]), tensor(5.))
    """
    dtype = torch.float32 if tensor.dtype in (torch.bfloat16, torch.float16) else None
    rows = {"dim": tuple(range(1, tensor.ndim)), "keepdim": True} if tensor.ndim > 1 else {}
    norm: Tensor = torch.linalg.vector_norm(tensor, dtype=dtype, **rows)
    return norm


def factor(weights: Tensor, grads: Tensor, lam: float, eps: float) -> Tensor:
    r"""Equation 3 of Brock et al. as what to multiply a unit's gradient with.

    .. math:: \min\left(1, \lambda \frac{\max(\lVert W_i \rVert, \epsilon)}{\lVert G_i \rVert}\right)

    Args:
        weights: norm of each unit of the parameter.
        grads: norm of each unit of the gradient.
        lam: the share.
        eps: what counts as the norm of units that are smaller.

    Example:
        >>> factor(torch.tensor([2.0, 0.0, 2.0]), torch.tensor([0.1, 0.1, 0.0]), lam=0.01, eps=1e-3)
        tensor([2.0000e-01, 1.0000e-04, 1.0000e+00])
    """
    return weights.clamp(min=eps).mul_(lam).div_(grads).clamp_(max=1)


class Agc(Link):
    """Scales down the gradient of each unit whose norm is above ``lam`` times that of its weights.

    A unit is an output row of a matrix or a kernel (of 1-D convolutions too), and a bias or gain as a whole. The paper
    leaves out the final linear layer; which one that is only you know: ``exclude=["head.*"]``.

    Args:
        lam: largest ratio of the norms of gradient and weights.
        eps: units whose norm is smaller count as this large, so that zeros can grow.
        exclude: parameters that are not clipped: names, patterns (``head.*``), types (``norm``, ``bias``).

    Raises:
        ConfigError: for numbers that are not positive.

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

    def __init__(self, lam: float = 0.01, eps: float = 1e-3, exclude: Sequence[str] = ()) -> None:
        super().__init__(exclude)
        self.lam = positive("lam", lam, "the largest ratio of gradient to weights", 0.01)
        self.eps = positive("eps", eps, "the smallest norm that weights count with", 0.001)

    def apply(self, given: Iterable[Given]) -> None:
        """Clips; the norms of units that ranks share take one all-reduce together."""
        split: list[Given] = []
        for entry in given:
            if units_are_split(entry.parameter):
                split.append(entry)
                continue
            grad = local_tensor(entry.grad)
            grad.mul_(factor(unit_norm(local_tensor(entry.parameter)), unit_norm(grad), self.lam, self.eps))
        if not split:
            return
        pairs = [(local_tensor(entry.parameter), local_tensor(entry.grad)) for entry in split]
        squares = [torch.stack([unit_norm(tensor).double().square() for tensor in pair]) for pair in pairs]
        sum_split_units(squares, [entry.parameter for entry in split])
        for (_, grad), (weights, grads) in zip(pairs, squares, strict=True):
            scale = factor(weights.sqrt(), grads.sqrt(), self.lam, self.eps)
            grad.mul_(scale.to(torch.float64 if grad.dtype == torch.float64 else torch.float32))

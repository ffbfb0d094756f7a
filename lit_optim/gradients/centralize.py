"""Centralize gradients: subtract the mean of each output row's gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from lit_optim.distributed import local_tensor, sum_split_units, units_are_split
from lit_optim.gradients.transforms import Gradient, Link


def row_sums(grad: Tensor) -> Tensor:
    """Sum each row over all dimensions but the first, in float32 at least."""
    dtype = torch.float32 if grad.dtype in (torch.bfloat16, torch.float16) else None
    return grad.sum(dim=tuple(range(1, grad.ndim)), keepdim=True, dtype=dtype)


class Centralize(Link):
    r"""Subtracts the mean of each output row's gradient: :math:`G_i \leftarrow G_i - \mathrm{mean}(G_i)`.

    Matrices and kernels only; vectors are left alone.

    Args:
        exclude: parameters that are left alone: names, patterns (``head.*``).

    Paper: Yong et al. 2020, Gradient Centralization: A New Optimization Technique for Deep Neural Networks,
    arXiv:2004.01461

    Example:
        >>> layer = torch.nn.Linear(2, 1, bias=False)
        >>> _ = layer.weight.data.fill_(1.0)
        >>> optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
        >>> _ = Centralize().attach(optimizer)
        >>> layer(torch.tensor([1.0, 3.0])).sum().backward(); optimizer.step(); layer.weight.data
        tensor([[2., 0.]])
    """

    kind = "centralize"

    def __init__(self, exclude: Any = ()) -> None:
        super().__init__(exclude)

    def apply(self, gradients: Iterable[Gradient]) -> None:
        """Centralize each row; one all-reduce completes the sums of all rows that ranks share."""
        split: list[Gradient] = []
        for entry in gradients:
            if entry.parameter.ndim < 2 or not entry.parameter.numel():
                continue
            if units_are_split(entry.parameter):
                split.append(entry)
                continue
            grad = local_tensor(entry.grad)
            grad.sub_(row_sums(grad).div_(grad.numel() // max(grad.shape[0], 1)))
        if not split:
            return
        totals = [row_sums(local_tensor(entry.grad)) for entry in split]
        sum_split_units(totals, [entry.parameter for entry in split])
        for entry, total in zip(split, totals, strict=True):
            local_tensor(entry.grad).sub_(total.div_(entry.parameter.numel() // entry.parameter.shape[0]))

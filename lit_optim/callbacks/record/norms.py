"""Measure the norms of the gradient that optimizer steps get, and of the update that they make."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from lit_optim.distributed import Part, local_tensor, sharded_over, sum_over_ranks

GRADIENT, UPDATE = range(2)  # places of the sums


def sums_of_squares(place: int, owners: Sequence[Tensor], tensors: Sequence[Tensor], scale: float = 1.0) -> list[Part]:
    """Sum the squares of what this rank holds of some tensors, in 64 bits: one sum for each sharding and dtype.

    Args:
        place: of the sums, for `sum_over_ranks`.
        owners: the parameters, whose sharding counts.
        tensors: one of each parameter.
        scale: what the tensors were multiplied by.

    Example:
        >>> p = torch.zeros(2)
        >>> sums_of_squares(0, [p, p], [torch.tensor([3.0, 4.0]), torch.tensor([2.0, 0.0])])[0][2]
        (tensor(29., dtype=torch.float64),)
    """
    alike: dict[object, list[tuple[Tensor, Tensor]]] = {}
    for owner, tensor in zip(owners, tensors, strict=True):
        local = local_tensor(tensor)
        dense = local.coalesce().values() if local.layout is torch.sparse_coo else local
        alike.setdefault((sharded_over(owner), dense.dtype), []).append((owner, dense))
    parts: list[Part] = []
    for found in alike.values():
        filled = [tensor for _, tensor in found if tensor.numel()] or [found[0][1].new_zeros(1)]
        norms = torch._foreach_norm(filled, 2, dtype=torch.float32 if filled[0].dtype.itemsize == 2 else None)
        device = norms[0].device
        together = torch.stack([norm.to(device) for norm in norms])
        exact = (together.cpu() if device.type == "mps" else together).double() / scale
        parts.append((place, found[0][0], (exact.square().sum(),)))
    return parts


class StepNorms:
    """The norms of the gradient and of the update, over all parameters with a gradient, of one batch's steps.

    The gradient is that before clipping. Sharded parameters need one all-reduce, in `norms`.
    """

    def __init__(self) -> None:
        self._params: list[Tensor] = []
        self._copies: list[Tensor] = []
        self._parts: list[Part] = []

    @torch.no_grad()
    def before_step(self, optimizer: Optimizer, scale: float = 1.0) -> None:
        """Sum the gradients' squares, and copy the weights.

        Args:
            optimizer: whose step follows.
            scale: what a gradient scaler has multiplied the gradients by.
        """
        params = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        self._params += params
        self._copies += [local_tensor(p).clone() for p in params]
        self._parts += sums_of_squares(GRADIENT, params, [p.grad for p in params if p.grad is not None], scale)

    @property
    def copied(self) -> int:
        """Return the bytes of the copies."""
        return sum(copy.numel() * copy.element_size() for copy in self._copies)

    @torch.no_grad()
    def norms(self) -> tuple[float, float] | None:
        """Return the norms of the gradient and of the update; None where there was no gradient."""
        if not self._params:
            return None
        for copy, p in zip(self._copies, self._params, strict=True):
            copy.sub_(local_tensor(p))
        parts = self._parts + sums_of_squares(UPDATE, self._params, self._copies)
        gradient, update = sum_over_ranks(parts, 2, self._params)[:, 0].sqrt().tolist()
        return gradient, update

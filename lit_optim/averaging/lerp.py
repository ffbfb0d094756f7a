"""Interpolate or swap two sets of weights without a temporary of a tensor's size.

On a CPU the memory is walked once, in blocks that stay in the cache between two operations; small tensors share a call,
because calls take longer than their arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from lit_optim.distributed import local_tensor
from lit_optim.engine.compile_rule import INDEX_LIMIT, compile_rule, compute_dtype
from lit_optim.engine.flat_bucket import pack
from lit_optim.engine.run_rule import DEVICE_BLOCK
from lit_optim.engine.scalar_buffer import on_device
from lit_optim.torch_backend.layout import flat_view, is_dense

PAIR_BLOCK = 1 << 17  # elements: two blocks of float32 are the 1 MB of a core's cache; smaller ones cost calls
FEW, FEW_ON_DEVICE = 1 << 13, 1 << 18  # elements; up to here a compiled kernel is called for longer than it runs


def lerp_and_reset(slow: Tensor, fast: Tensor, _scratch: Tensor | None, alpha: float | Tensor) -> None:
    """Interpolate in place: ``slow <- slow + alpha (fast - slow)``, then ``fast <- slow``."""
    slow.lerp_(fast, alpha)
    fast.copy_(slow)


@torch.no_grad()
def lerp_and_reset_all(slow: Sequence[Tensor], fast: Sequence[Tensor], alpha: float, *, compile: bool = False) -> None:
    """Apply `lerp_and_reset` to every pair.

    Args:
        slow: one tensor for each of ``fast``, of its shape and dtype.
        fast: parameters; of sharded ones the local shards.
        alpha: weight of ``fast``.
        compile: run one compiled kernel over each tensor that is not small.

    Example:
        >>> slow, fast = torch.zeros(2), torch.tensor([1.0, 4.0])
        >>> lerp_and_reset_all([slow], [fast], 0.5); fast
        tensor([0.5000, 2.0000])
    """
    small: list[tuple[Tensor, Tensor]] = []
    alphas: dict[Any, Tensor] = {}
    for s, f in zip(slow, fast, strict=True):
        kernel = None
        if compile and (FEW if f.is_cpu else FEW_ON_DEVICE) < f.numel() <= INDEX_LIMIT and _lie_alike(s, f):
            key = compute_dtype(f.dtype), f.device
            if key not in alphas:
                alphas[key] = on_device([alpha], *key)
            kernel = compile_rule(lerp_and_reset, (s, f), alphas[key])
        if kernel is not None:
            kernel([flat_view(s), flat_view(f), alphas[key]])
        elif f.numel() <= PAIR_BLOCK or not f.is_cpu:
            small.append((s, f))
        else:
            for s_block, f_block in blocks(s, f):
                lerp_and_reset(s_block, f_block, None, alpha)
    limit = PAIR_BLOCK if small and small[0][0].is_cpu else DEVICE_BLOCK
    for pairs in pack(small, lambda pair: (pair[0].dtype, pair[1].dtype), lambda pair: pair[1].numel(), limit):
        slows, fasts = zip(*pairs, strict=True)
        torch._foreach_lerp_(slows, fasts, alpha)
        torch._foreach_copy_(fasts, slows)


@torch.no_grad()
def swap_(a: Tensor, b: Tensor) -> None:
    """Swap the values of two tensors of one shape and dtype, with one block of scratch memory.

    Example:
        >>> a, b = torch.zeros(2), torch.ones(2)
        >>> swap_(a, b); a, b
        (tensor([1., 1.]), tensor([0., 0.]))
    """
    a, b = local_tensor(a), local_tensor(b)
    scratch = None
    for one, other in blocks(a, b):
        if scratch is None or scratch.shape != one.shape:
            scratch = torch.empty_like(one)
        scratch.copy_(one)
        one.copy_(other)
        other.copy_(scratch)


def blocks(a: Tensor, b: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Cut two tensors into matching 1-D views; tensors with different layouts stay whole."""
    if not _lie_alike(a, b):
        yield a, b
        return
    n, limit = a.numel(), PAIR_BLOCK if a.is_cpu else DEVICE_BLOCK
    size = -(-n // max(1, -(-n // limit)) // 16) * 16 or 1  # equal parts: a short last one costs as many calls
    yield from zip(torch.split(flat_view(a), size), torch.split(flat_view(b), size), strict=True)


def _lie_alike(a: Tensor, b: Tensor) -> bool:
    if a.is_contiguous() and b.is_contiguous():
        return True
    return a.stride() == b.stride() and is_dense(a) and is_dense(b)

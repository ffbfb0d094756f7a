"""Two weights for every parameter, moved or exchanged without a temporary of a tensor's size.

On a CPU the memory is walked once, in blocks that stay in the cache between two operations; small tensors go together,
in one call, because for them the calls are what takes the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lit_optim.distributed import local_tensor
from lit_optim.engine.compile_rule import INDEX_LIMIT, compile_rule, compute_dtype
from lit_optim.engine.scalar_buffer import on_device
from lit_optim.torch_backend.layout import is_dense

BLOCK = 1 << 17  # elements: two blocks of float32 are the 1 MB of a core's cache; smaller ones cost calls and barriers
FEW = 1 << 13  # elements; below, even a compiled kernel is called for longer than it runs
FEW_ON_DEVICE = 1 << 18  # the same on a GPU
ON_DEVICE = 1 << 24  # elsewhere there is no cache to stay in, and every call is a launch


def lerp_and_reset(slow: Tensor, fast: Tensor, _scratch: Tensor | None, alpha: float | Tensor) -> None:
    """The interpolation, in place: ``slow <- slow + alpha (fast - slow)``, then ``fast <- slow``."""
    slow.lerp_(fast, alpha)
    fast.copy_(slow)


@torch.no_grad()
def lerp_and_reset_all(slow: Sequence[Tensor], fast: Sequence[Tensor], alpha: float, *, compile: bool = False) -> None:
    """`lerp_and_reset` for every pair.

    Args:
        slow: one tensor for each of ``fast``, of its shape and dtype.
        fast: parameters; of sharded ones the local shards.
        alpha: weight of ``fast``.
        compile: walk over tensors that are not small with one compiled kernel.

    Example:
        >>> slow, fast = torch.zeros(2), torch.tensor([1.0, 4.0])
        >>> lerp_and_reset_all([slow], [fast], 0.5); fast
        tensor([0.5000, 2.0000])
    """
    small, scalars = _Together(alpha), _Scalars(alpha)
    for s, f in zip(slow, fast, strict=True):
        on_cpu, n = f.device.type == "cpu", f.numel()
        pulls = None
        if compile and (FEW if on_cpu else FEW_ON_DEVICE) < n <= INDEX_LIMIT and _alike(s, f):
            pulls = compile_rule(lerp_and_reset, (s, f), scalars.of(f))
        if pulls is not None:
            pulls([_flat(s), _flat(f), scalars.of(f)])
        elif n <= BLOCK or not on_cpu:
            small.add(s, f)
        else:
            for s_block, f_block in blocks(s, f):
                lerp_and_reset(s_block, f_block, None, alpha)
    small.flush()


@torch.no_grad()
def swap_(a: Tensor, b: Tensor) -> None:
    """Swaps the values of two tensors of one shape and dtype, through a scratch of one block.

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
    """Both tensors in matching 1-D views; whole where their elements do not lie in the same order."""
    if not _alike(a, b):
        yield a, b
        return
    n, limit = a.numel(), BLOCK if a.device.type == "cpu" else ON_DEVICE
    size = -(-n // max(1, -(-n // limit)) // 16) * 16 or 1  # equal parts: a short last one costs as many calls
    yield from zip(torch.split(_flat(a), size), torch.split(_flat(b), size), strict=True)


def _alike(a: Tensor, b: Tensor) -> bool:
    if a.is_contiguous() and b.is_contiguous():
        return True
    return a.stride() == b.stride() and is_dense(a) and is_dense(b)


def _flat(tensor: Tensor) -> Tensor:
    """A dense tensor as the one block of memory that it is, whatever the order of its dimensions."""
    return (
        tensor.view(-1)
        if tensor.is_contiguous()
        else tensor.as_strided((tensor.numel(),), (1,), tensor.storage_offset())
    )


class _Scalars:
    """The weight of the interpolation, where a compiled kernel reads it: once for each device and dtype."""

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha
        self.known: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    def of(self, tensor: Tensor) -> Tensor:
        """That of a tensor's device, in the dtype that it is computed in."""
        key = (compute_dtype(tensor.dtype), tensor.device)
        if key not in self.known:
            self.known[key] = on_device([self.alpha], *key)
        return self.known[key]


class _Together:
    """Pairs of tensors that are pulled in one call, once there are as many as the cache holds."""

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha
        self.pairs: dict[tuple[torch.dtype, ...], tuple[list[Tensor], list[Tensor]]] = {}
        self.waiting = 0

    def add(self, slow: Tensor, fast: Tensor) -> None:
        """Takes one more pair."""
        limit = BLOCK if fast.device.type == "cpu" else ON_DEVICE
        if self.waiting + fast.numel() > limit:
            self.flush()
        slows, fasts = self.pairs.setdefault((slow.dtype, fast.dtype), ([], []))
        slows.append(slow)
        fasts.append(fast)
        self.waiting += fast.numel()

    def flush(self) -> None:
        """Pulls all that are waiting."""
        for slows, fasts in self.pairs.values():
            torch._foreach_lerp_(slows, fasts, self.alpha)
            torch._foreach_copy_(fasts, slows)
        self.pairs.clear()
        self.waiting = 0

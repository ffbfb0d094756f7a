"""Update small parameters as one flat tensor, to save calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, chain
from typing import Any, TypeVar

import torch
from torch import Tensor

from lit_optim.distributed import sharding_of
from lit_optim.engine.compile_rule import compute_dtype
from lit_optim.engine.param_state import ParamState, is_local_real, local_real_gradient, local_real_tensor
from lit_optim.engine.run_rule import BoundRule, Scalars, ScratchPool, block_size
from lit_optim.engine.scalar_buffer import on_device

T = TypeVar("T")

# elements; below, calls take longer than gathering: uncompiled there are half a dozen of them
SMALL, SMALL_COMPILED = 1 << 16, 1 << 13
DEVICE_SMALL, DEVICE_SMALL_COMPILED = 1 << 21, 1 << 18  # on a GPU, where each call is a launch


def is_small(p: Tensor, compiled: bool) -> bool:
    """Return whether a parameter is small enough for a flat bucket."""
    limits = (SMALL, SMALL_COMPILED) if p.device.type == "cpu" else (DEVICE_SMALL, DEVICE_SMALL_COMPILED)
    return local_real_tensor(p).numel() < limits[compiled]


def pack(items: Iterable[T], kind: Callable[[T], Any], numel: Callable[[T], int], limit: int) -> list[list[T]]:
    """Group items of one kind into lists of at most ``limit`` elements, in order.

    Example:
        >>> pack([3, 2, 4, 1], kind=type, numel=int, limit=5)
        [[3, 2], [4, 1]]
    """
    packs: dict[Any, list[list[T]]] = {}
    filled: dict[Any, int] = {}
    for item in items:
        key, n = kind(item), numel(item)
        if key not in packs or filled[key] + n > limit:
            packs.setdefault(key, []).append([])
            filled[key] = 0
        packs[key][-1].append(item)
        filled[key] += n
    return [*chain.from_iterable(packs.values())]


def flat_buckets(members: Sequence[ParamState], names: Sequence[str], scratch: ScratchPool) -> list[FlatBucket]:
    """Gather small parameters of one dtype and device, at most a block in each bucket."""
    if not members:
        return []

    def kind(m: ParamState) -> Any:
        return is_local_real(m.p), *sharding_of(m.p)

    limit = block_size(members[0].p.device)
    packs = pack(members, kind, lambda m: local_real_tensor(m.p).numel(), limit)
    return [FlatBucket(each, names, scratch) for each in packs]


class FlatBucket:
    """Updates small parameters as one 1-D tensor: gathers weights and gradients at each step, and keeps the state.

    State of 16 bits, of complex and of sharded parameters is gathered for each step too.

    Args:
        members: parameters of one dtype and device, with their states.
        names: the state tensors, in the order of the rule; they become views of the flat memory.
        scratch: memory for what is gathered.
    """

    def __init__(self, members: list[ParamState], names: Sequence[str], scratch: ScratchPool) -> None:
        self.members, self.names, self.params = members, names, [m.p for m in members]
        self.member = members[0]
        self.group = members[0].group if len({m.group for m in members}) == 1 else None  # None: several
        self.is_local_real = is_local_real(members[0].p)
        first = local_real_tensor(members[0].p)
        self.dtype, self.device = compute_dtype(first.dtype), first.device
        shapes = [local_real_tensor(p).shape for p in self.params]
        ends = [*accumulate(shape.numel() for shape in shapes)]
        self.total = ends[-1]
        self.places = [(end - shape.numel(), end, shape) for end, shape in zip(ends, shapes, strict=True)]
        owns_state = self.is_local_real and first.dtype == self.dtype
        self.state = [self._take_over(name) for name in names] if owns_state else []
        self.gathered_names = () if owns_state else tuple(names)
        for m in members:
            m.create_missing(self.gathered_names)
        n = 2 + len(self.gathered_names)
        self.gathered = [scratch.take(f"gathered {i}", self.total, self.dtype, self.device) for i in range(n)]
        views = [self._views(flat) for flat in self.gathered]
        self.views = [*chain.from_iterable(views)]
        self.written = [*views[0], *chain.from_iterable(views[2:])]
        self.first_state = next((m for m in members if m.p.numel()), members[0]).state
        self.groups = on_device([m.group for m in members], torch.int64, self.device)
        self.sizes = on_device([shape.numel() for shape in shapes], torch.int64, self.device)
        self._spread: dict[int, tuple[Tensor, Tensor]] = {}

    def _views(self, flat: Tensor) -> list[Tensor]:
        return [flat[begin:end].view(shape) for begin, end, shape in self.places]

    def _take_over(self, name: str) -> Tensor:
        """Move a state tensor of all members into flat memory, of which it becomes a view."""
        flat = torch.zeros(self.total, dtype=self.dtype, device=self.device)
        for m, view in zip(self.members, self._views(flat), strict=True):
            if m.state.get(name) is not None:
                view.copy_(m.state[name])
            m.state[name] = view
        return flat

    def is_valid(self) -> bool:
        """Return whether the first non-empty parameter's state is still at the beginning of the flat memory."""
        addresses = [self.first_state[name].data_ptr() for name in self.names] if self.state else []
        return addresses == [flat.data_ptr() for flat in self.state]

    def step(self, rule: BoundRule, scalars: Scalars, *, mixed: bool = False) -> list[Any]:
        """Gather, run the rule and scatter; ``mixed``: some scalars are tensors with one value per group."""
        if self.is_local_real:
            params: list[Any] = self.params
            gradients: list[Any] = [p.grad for p in params]
        else:
            params = [local_real_tensor(p) for p in self.params]
            gradients = [local_real_gradient(p) for p in self.params]
        states = [local_real_tensor(m.state[name]) for name in self.gathered_names for m in self.members]
        torch._foreach_copy_(self.views, [*params, *gradients, *states])
        if mixed:
            spread = (self._per_element(i, v) if isinstance(v, Tensor) else v for i, v in enumerate(scalars))
            scalars = type(scalars)(*spread)
        outputs = rule([*self.gathered, *self.state], scalars, mixed=mixed)
        torch._foreach_copy_([*params, *states], self.written)
        return outputs

    def _per_element(self, i: int, scalar: Tensor) -> Tensor:
        """Spread a scalar with one value per group over the elements of the parameters; kept until it changes."""
        known = self._spread.get(i)
        if known is None or not torch.equal(known[0], scalar):
            values = scalar.to(self.dtype).to(self.device, non_blocking=self.groups.is_cuda)[self.groups]
            known = self._spread[i] = (scalar, values.repeat_interleave(self.sizes, output_size=self.total))
        return known[1]

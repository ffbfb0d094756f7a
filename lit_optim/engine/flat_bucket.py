"""What a rule runs on: a large tensor as it lies in memory, or many small ones gathered into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from lit_optim.distributed import is_sharded, local_tensor
from lit_optim.engine.compile_rule import compute_dtype
from lit_optim.engine.run_rule import Run, Runner, block_size
from lit_optim.engine.scalar_buffer import on_device
from lit_optim.torch_backend.layout import is_dense

# elements; below, calls take longer than gathering: uncompiled there are half a dozen of them
SMALL, SMALL_COMPILED = 1 << 16, 1 << 13
DEVICE_SMALL, DEVICE_SMALL_COMPILED = 1 << 21, 1 << 18  # on a GPU, where each call is a launch


@dataclass
class ParamState:
    """A parameter, its state, and the place of its group among those that share a call."""

    p: Tensor
    state: dict[str, Any]
    group: int


def plain_tensor(tensor: Tensor) -> Tensor:
    """The local part of a sharded tensor; complex numbers as pairs of real ones; no negation that is still to be done.

    Example:
        >>> plain_tensor(torch.zeros(3, dtype=torch.complex64)).shape
        torch.Size([3, 2])
    """
    tensor = local_tensor(tensor)
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor.resolve_neg()


def gradient(p: Tensor) -> Tensor:
    """The gradient, sharded as its parameter is."""
    grad = p.grad
    assert grad is not None
    if hasattr(p, "placements") and grad.placements != p.placements:  # type: ignore[attr-defined]  # a DTensor
        grad = grad.redistribute(placements=p.placements)  # type: ignore[attr-defined]
    return plain_tensor(grad)


def is_small(p: Tensor, compiled: bool) -> bool:
    """Whether a parameter is gathered with others."""
    limits = (SMALL, SMALL_COMPILED) if p.device.type == "cpu" else (DEVICE_SMALL, DEVICE_SMALL_COMPILED)
    return plain_tensor(p).numel() < limits[compiled]


class SingleTensor:
    """One tensor, walked over as it lies in memory; only where its gradient lies otherwise, that is copied.

    Args:
        member: the parameter and its state.
        slots: names of the state tensors, in the text's order; missing ones are created.
    """

    def __init__(self, member: ParamState, slots: Sequence[str]) -> None:
        self.member, self.slots = member, slots
        self.is_plain = not is_other(member.p)
        create_missing(member, slots)
        self.kept = [member.p, *(member.state[name] for name in slots)]
        self.at: list[int] = []
        self.views: list[Tensor] = []  # of `kept`, 1-D; none where they have gaps, or another order of dimensions

    def step(self, call: Run, numbers: tuple[Any, ...]) -> list[Any]:
        """Runs the rule."""
        p = self.member.p
        grad = p.grad
        assert grad is not None
        if self.is_plain and p.is_contiguous() and grad.is_contiguous() and grad.dtype is p.dtype and not grad.is_neg():
            at = [t.data_ptr() for t in self.kept]
            if at != self.at:
                fit = all(t.is_contiguous() and t.dtype is p.dtype for t in self.kept)
                self.at, self.views = at, [t.view(-1) for t in self.kept] if fit else []
            if self.views:
                sums = call([self.views[0], grad.view(-1), *self.views[1:]], numbers)
                increment_version((p,))  # for autograd: a compiled kernel writes behind its back
                return sums
        return self._step_as_it_lies(call, numbers)

    def _step_as_it_lies(self, call: Run, numbers: tuple[Any, ...]) -> list[Any]:
        p, state = plain_tensor(self.member.p), self.member.state
        tensors = [p, gradient(self.member.p), *(plain_tensor(state[name]) for name in self.slots)]
        laid = [laid_as(p, t) for t in tensors]
        sums = call([t.view(-1) if t.is_contiguous() else t.as_strided((t.numel(),), (1,)) for t in laid], numbers)
        increment_version((p,))
        for i, (tensor, copy) in enumerate(zip(tensors, laid, strict=True)):
            if i == 1 or copy is tensor:
                continue
            if i and self.is_plain:  # state in the layout of a checkpoint, or of before a .to(memory_format=...)
                state[self.slots[i - 2]] = copy
            else:
                tensor.copy_(copy)
        return sums


def create_missing(member: ParamState, slots: Sequence[str]) -> None:
    """Creates state tensors, in the layout of their parameter."""
    for name in slots:
        if member.state.get(name) is None:
            member.state[name] = torch.zeros_like(member.p, memory_format=torch.preserve_format)


def laid_as(p: Tensor, tensor: Tensor) -> Tensor:
    """A tensor in the dtype and in the memory layout of ``p``: itself, or a copy.

    A ``p`` with gaps between its elements, of which there is no 1-D view, is copied too.
    """
    if is_dense(p):
        fits = tensor.stride() == p.stride()
        layout = torch.preserve_format
    else:
        fits, layout = tensor.is_contiguous(), torch.contiguous_format
    return tensor if fits and tensor.dtype is p.dtype else torch.empty_like(p, memory_format=layout).copy_(tensor)


class FlatBucket:
    """Small tensors in one 1-D tensor: parameters and gradients are gathered for each step, their state stays there.

    Args:
        members: parameters of one dtype and device, with their states.
        slots: names of the state tensors; they become views of the common memory.
        run: whose scratch memory holds what is gathered.
    """

    def __init__(self, members: list[ParamState], slots: Sequence[str], run: Runner) -> None:
        self.members, self.slots = members, slots
        self.parameters = [m.p for m in members]
        self.is_plain = not any(is_other(p) for p in self.parameters)
        first = plain_tensor(members[0].p)
        self.like, self.dtype = first, compute_dtype(first.dtype)
        self.first = next((m for m in members if m.p.numel()), members[0]).state
        shapes = [plain_tensor(m.p).shape for m in members]
        self.sizes = [shape.numel() for shape in shapes]
        self.total = sum(self.sizes)
        owned = self.is_plain and first.dtype == self.dtype
        begins = accumulate(self.sizes, initial=0)
        self.cut = [(begin, begin + n, s) for begin, n, s in zip(begins, self.sizes, shapes, strict=False)]
        self.flat: list[Tensor] = []  # state, where it lives here
        self.outside = () if owned else tuple(slots)
        for name in slots:
            if owned:
                self._take_over(name)
            else:
                for m in members:
                    create_missing(m, (name,))
        self.gathered = [run.scratch(first, self.dtype, 100 + i, self.total) for i in range(2 + len(self.outside))]
        views = [self._views(flat) for flat in self.gathered]
        self.views = list(chain.from_iterable(views))
        self.written = [*views[0], *chain.from_iterable(views[2:])]
        self.group = members[0].group if len({m.group for m in members}) == 1 else None  # of all, if it is one
        self.places = on_device([m.group for m in members], torch.int64, first.device)
        self.repeats = on_device(self.sizes, torch.int64, first.device)
        self._spread: dict[int, tuple[Tensor, Tensor]] = {}

    def _take_over(self, name: str) -> None:
        flat = torch.zeros(self.total, dtype=self.dtype, device=self.like.device)
        for m, view in zip(self.members, self._views(flat), strict=True):
            if m.state.get(name) is not None:
                view.copy_(m.state[name])
            m.state[name] = view
        self.flat.append(flat)

    def in_place(self) -> bool:
        """Whether the state of the first parameter, unless it is empty, still begins the common memory."""
        kept = [self.first[name] for name in self.slots] if self.flat else []
        return all(map(begin_alike, kept, self.flat))

    def _views(self, flat: Tensor) -> list[Tensor]:
        return [flat[begin:end].view(shape) for begin, end, shape in self.cut]

    def step(self, call: Run, numbers: tuple[Any, ...], varying: bool) -> list[Any]:
        """Gathers, runs the rule, and scatters; ``varying``: some numbers are tensors with one value a group."""
        if self.is_plain:
            parameters: list[Any] = self.parameters
            gradients: list[Any] = [p.grad for p in parameters]
        else:
            parameters, gradients = [plain_tensor(p) for p in self.parameters], [gradient(p) for p in self.parameters]
        states = [plain_tensor(m.state[name]) for name in self.outside for m in self.members]
        torch._foreach_copy_(self.views, [*parameters, *gradients, *states])
        p, g, *state = self.gathered
        if varying:
            numbers = tuple(self._per_element(i, v) if isinstance(v, Tensor) else v for i, v in enumerate(numbers))
        sums = call([p, g, *state, *self.flat], numbers)
        torch._foreach_copy_([*parameters, *states], self.written)
        return sums

    def _per_element(self, i: int, number: Tensor) -> Tensor:
        """A number of each group, for each element of its parameters."""
        known = self._spread.get(i)
        if known is None or not torch.equal(known[0], number):
            there = number.to(self.dtype).to(self.places.device, non_blocking=self.places.is_cuda)[self.places]
            known = self._spread[i] = (number, there.repeat_interleave(self.repeats, output_size=self.total))
        return known[1]


def begin_alike(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors begin at the same address.

    Example:
        >>> flat = torch.zeros(4)
        >>> begin_alike(flat[:2], flat), begin_alike(flat[1:], flat)
        (True, False)
    """
    return one.data_ptr() == other.data_ptr()


def is_other(p: Tensor) -> bool:
    """Whether the state of a parameter cannot be a view of common memory: sharded and complex ones."""
    return p.is_complex() or is_sharded(p)


def sharding(p: Tensor) -> tuple[Any, ...]:
    """How a parameter is spread over processes: nothing, for a plain tensor."""
    return (p.device_mesh, p.placements) if hasattr(p, "placements") else ()  # type: ignore[attr-defined]


def packed(members: Sequence[ParamState], slots: Sequence[str], run: Runner) -> list[FlatBucket]:
    """Small parameters in gatherings of at most a block."""
    packs: dict[Any, list[list[ParamState]]] = {}
    filled: dict[Any, int] = {}
    for m in members:
        kind, n = (m.p.dtype, m.p.device, is_other(m.p), *sharding(m.p)), plain_tensor(m.p).numel()
        if kind not in packs or filled[kind] + n > block_size(m.p.device):
            packs.setdefault(kind, []).append([])
            filled[kind] = 0
        packs[kind][-1].append(m)
        filled[kind] += n
    return [FlatBucket(pack, slots, run) for lists in packs.values() for pack in lists]

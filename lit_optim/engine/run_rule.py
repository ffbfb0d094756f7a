"""Run a rule on 1-D tensors: in blocks that stay in a CPU's cache, or as one compiled kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lit_optim.engine.compile_rule import INDEX_LIMIT, compile_rule, compute_dtype
from lit_optim.engine.scalar_buffer import ScalarBuffer

BLOCK = 1 << 18  # elements: a few blocks lie in a CPU's cache, and calls take much less time than the arithmetic
DEVICE_BLOCK = 1 << 24  # elsewhere each call is a launch: the limit only keeps scratch memory at 64 MB in 32 bits

Scalars = tuple[Any, ...]  # a NamedTuple: floats; or, where param groups differ in them, tensors with a value per group


@dataclass(frozen=True)
class RuleSpec:
    """An update rule: its function, the NamedTuple of its step scalars, and the names of its state tensors.

    ``rule_fn(p, g, scratch, s, *, <state>, <static_args>)`` works in place on 1-D tensors of one length: the parameter,
    its gradient, scratch memory, and the state tensors by name. It never writes to the gradient.
    """

    rule_fn: Callable[..., Any]
    scalars: type[Scalars]
    state: tuple[str, ...]

    @property
    def __name__(self) -> str:
        return self.rule_fn.__name__

    def __call__(self, *arguments: Any, **static_args: Any) -> Any:
        """Run the rule on ``p, g, *state, scratch, *scalars``, the flat form that is compiled."""
        n = 2 + len(self.state)
        return self.run(static_args, arguments[:n], arguments[n], self.scalars(*arguments[n + 1 :]))

    def run(self, static_args: dict[str, Any], tensors: Iterable[Tensor], scratch: Tensor, scalars: Scalars) -> Any:
        """Run the rule on ``p, g, *state``, and return what it returns."""
        p, g, *state = tensors
        return self.rule_fn(p, g, scratch, scalars, **dict(zip(self.state, state, strict=True)), **static_args)


class ScratchPool:
    """Reuses scratch memory: a few blocks, independent of the size of the tensors."""

    def __init__(self) -> None:
        self._known: dict[Any, Tensor] = {}

    def take(self, use: str, n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return ``n`` elements; the same memory for the same ``use``."""
        key = (use, dtype, device)
        found = self._known.get(key)
        if found is None or found.numel() < n:
            found = self._known[key] = torch.empty(n, dtype=dtype, device=device)
        return found[:n] if found.numel() != n else found


class BoundRule:
    """Binds a rule to its static arguments; called with tensors of one dtype and the scalars of a step.

    Args:
        spec: the rule.
        static_args: constants that the rule is specialised on.
        maximize: change the sign of the gradient, which itself stays as it is.
        compile: run one compiled kernel in place of blocks.
        scratch: memory for blocks.
    """

    def __init__(
        self, spec: RuleSpec, static_args: dict[str, Any], *, maximize: bool, compile: bool, scratch: ScratchPool
    ) -> None:
        self.spec, self.static_args, self.maximize = spec, static_args, maximize
        self.compile, self.scratch = compile, scratch
        self._run_block = partial(spec.run, static_args)
        self._calls: dict[Any, Callable[[Sequence[Tensor], Scalars], list[Any]]] = {}

    def __call__(self, tensors: Sequence[Tensor], scalars: Scalars, *, mixed: bool = False) -> list[Any]:
        """Run the rule.

        Args:
            tensors: the parameter, its gradient and its state, 1-D and of one dtype.
            scalars: in the rule's NamedTuple.
            mixed: whether some scalars are 1-D tensors of the tensors' length, which is a block at most.

        Returns:
            What the rule returned, if anything, for each block.
        """
        key = tensors[0].dtype, mixed
        if key not in self._calls:
            self._calls[key] = self._compiled(tensors, scalars) or self._in_blocks(tensors[0])
        return self._calls[key](tensors, scalars)

    def _compiled(self, tensors: Sequence[Tensor], scalars: Scalars) -> Callable[..., list[Any]] | None:
        if not self.compile:
            return None
        is_vector = [isinstance(value, Tensor) for value in scalars]
        dtype, device = compute_dtype(tensors[0].dtype), tensors[0].device
        example = torch.zeros(is_vector.count(False), dtype=dtype, device=device)
        kernel = compile_rule(self.spec, tensors, example, is_vector, negated=self.maximize, **self.static_args)
        run = _run_kernel_mixed if any(is_vector) else _run_kernel
        return kernel and partial(run, kernel, ScalarBuffer(is_vector.count(False), dtype, device))

    def _in_blocks(self, like: Tensor) -> Callable[..., list[Any]]:
        dtype = compute_dtype(like.dtype)
        run = self._run_block if dtype is like.dtype and not self.maximize else self._run_converted_block
        return partial(self._run_in_blocks, run, block_size(like.device), dtype)

    def _run_in_blocks(
        self, run: Callable[..., Any], block: int, dtype: torch.dtype, tensors: Sequence[Tensor], scalars: Scalars
    ) -> list[Any]:
        n = tensors[0].numel()
        scratch = self.scratch.take("rule", min(n, block), dtype, tensors[0].device)
        if n <= block:
            outputs = [run(tensors, scratch, scalars)]
        else:
            blocks = zip(*(t.split(block) for t in tensors), strict=True)  # type: ignore[no-untyped-call]
            outputs = [run(each, scratch[: each[0].numel()], scalars) for each in blocks]
        return [output for output in outputs if output]

    def _run_converted_block(self, tensors: Sequence[Tensor], scratch: Tensor, scalars: Scalars) -> Any:
        """Run the rule on copies of 16-bit tensors in 32 bits, or with a negated copy of the gradient."""
        n, dtype, device = scratch.numel(), scratch.dtype, scratch.device
        copies = list(tensors)
        if tensors[0].dtype is not dtype:
            copies = [self.scratch.take(f"copy {i}", n, dtype, device).copy_(t) for i, t in enumerate(tensors)]
        if self.maximize:
            copies[1] = torch.neg(copies[1], out=self.scratch.take("copy 1", n, dtype, device))
        output = self._run_block(copies, scratch, scalars)
        for i, (tensor, copy) in enumerate(zip(tensors, copies, strict=True)):
            if copy is not tensor and i != 1:
                tensor.copy_(copy)
        return output


def block_size(device: torch.device) -> int:
    """Return how many elements a rule is given at once.

    Example:
        >>> block_size(torch.device("cpu")) < block_size(torch.device("cuda"))
        True
    """
    return BLOCK if device.type == "cpu" else DEVICE_BLOCK


def _run_kernel(kernel: Any, buffer: ScalarBuffer, tensors: Sequence[Tensor], scalars: Scalars) -> list[Any]:
    if tensors[0].is_cpu or tensors[0].numel() <= INDEX_LIMIT:
        output = kernel([*tensors, buffer(scalars)])
        return [output] if output else []
    pieces = zip(*(t.split(INDEX_LIMIT) for t in tensors), strict=True)  # type: ignore[no-untyped-call]
    return [output for piece in pieces if (output := kernel([*piece, buffer(scalars)]))]


def _run_kernel_mixed(kernel: Any, buffer: ScalarBuffer, tensors: Sequence[Tensor], scalars: Scalars) -> list[Any]:
    vectors = [value for value in scalars if isinstance(value, Tensor)]
    numbers = tuple(value for value in scalars if not isinstance(value, Tensor))
    return _run_kernel(kernel, buffer, [*tensors, *vectors], numbers)

"""A rule's text on 1-D tensors: in blocks that stay in a CPU's cache, or compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lit_optim.engine.compile_rule import INDEX_LIMIT, compile_rule, compute_dtype
from lit_optim.engine.scalar_buffer import ScalarBuffer

BLOCK = 1 << 18  # elements: a few of these lie in a CPU's cache, and calls take much less time than the arithmetic
DEVICE_BLOCK = 1 << 24  # elsewhere each call is a launch: only the scratch memory is kept small, to 64 MB in 32 bits

Text = Callable[..., Any]
Run = Callable[[Sequence[Tensor], tuple[Any, ...]], list[Any]]  # tensors, numbers -> what the text has returned


def block_size(device: torch.device) -> int:
    """How many elements one call of a text is given.

    Example:
        >>> block_size(torch.device("cpu")) < block_size(torch.device("cuda"))
        True
    """
    return BLOCK if device.type == "cpu" else DEVICE_BLOCK


class Runner:
    """Runs texts, and owns the scratch memory: a few blocks, whatever the size of the tensors.

    Args:
        compile: one compiled kernel for each text and dtype, in place of blocks.
    """

    def __init__(self, compile: bool) -> None:
        self.compile = compile
        self._scratch: dict[Any, Tensor] = {}
        self._bound: dict[Any, Run] = {}

    def bind(
        self, text: Text, like: Sequence[Tensor], numbers: tuple[Any, ...], flags: dict[str, Any], negated: bool
    ) -> Run:
        """``text(*tensors, scratch, *numbers, **flags)`` for tensors and numbers like these.

        Args:
            text: in-place operations on 1-D tensors of one length: the parameter, its gradient, its state.
            like: tensors with their dtypes, on their device.
            numbers: in the order of the text, each a float, or a 1-D tensor of the tensors' length, a block at most.
            flags: constants of the text.
            negated: change the sign of the gradient, which itself stays as it is.

        Returns:
            Of tensors and numbers; gives what the text returns, if anything, for each block.
        """
        mask = tuple(isinstance(value, Tensor) for value in numbers)
        first = like[0]
        key = (text, len(like), first.dtype, first.device, mask, negated, *flags.values(), torch.get_num_threads())
        if key not in self._bound:
            compiled = None
            if self.compile:
                plain = torch.zeros(mask.count(False), dtype=compute_dtype(first.dtype), device=first.device)
                compiled = compile_rule(text, like, plain, mask, negated=negated, **flags)
            if compiled is not None:
                written = ScalarBuffer(mask.count(False), compute_dtype(first.dtype), first.device)
                self._bound[key] = partial(_call_with_vectors if any(mask) else _call, compiled, written)
            else:
                self._bound[key] = partial(self._in_blocks, partial(text, **flags), negated)
        return self._bound[key]

    def scratch(self, like: Tensor, dtype: torch.dtype, use: int, length: int) -> Tensor:
        """Memory that is used over and over."""
        key = (dtype, like.device, use)
        found = self._scratch.get(key)
        if found is None or found.numel() < length:
            found = self._scratch[key] = torch.empty(length, dtype=dtype, device=like.device)
        return found[:length] if found.numel() != length else found

    def _in_blocks(self, text: Text, negated: bool, tensors: Sequence[Tensor], numbers: tuple[Any, ...]) -> list[Any]:
        first, length = tensors[0], tensors[0].numel()
        compute = compute_dtype(first.dtype)
        if negated or any(t.dtype is not compute for t in tensors):
            text = partial(self._converted, text, negated, len(tensors))
        block = block_size(first.device)
        scratch = self.scratch(first, compute, -1, min(length, block))
        if length <= block:
            sums = [text(*tensors, scratch, *numbers)]
        else:
            sums = []
            for blocks in zip(*(t.split(block) for t in tensors), strict=True):  # type: ignore[no-untyped-call]
                n = blocks[0].numel()
                sums.append(text(*blocks, scratch if n == block else scratch[:n], *numbers))
        return [found for found in sums if found]

    def _converted(self, text: Text, negated: bool, n: int, *arguments: Any) -> Any:
        """The text on copies of the ``n`` tensors in the dtype of the scratch memory, with the gradient negated."""
        tensors, scratch = arguments[:n], arguments[n]
        compute, length = scratch.dtype, scratch.numel()
        used = list(tensors)
        if any(t.dtype is not compute for t in tensors):
            used = [self.scratch(scratch, compute, i, length).copy_(t) for i, t in enumerate(tensors)]
        if negated:
            used[1] = torch.neg(used[1], out=self.scratch(scratch, compute, 1, length))
        returned = text(*used, *arguments[n:])
        for i, (before, after) in enumerate(zip(tensors, used, strict=True)):
            if before is not after and i != 1:
                before.copy_(after)
        return returned


def _call(compiled: Any, written: ScalarBuffer, tensors: Sequence[Tensor], numbers: tuple[Any, ...]) -> list[Any]:
    if tensors[0].numel() <= INDEX_LIMIT or tensors[0].is_cpu:
        returned = compiled([*tensors, written(numbers)])
        return [returned] if returned else []
    pieces = zip(*(t.split(INDEX_LIMIT) for t in tensors), strict=True)  # type: ignore[no-untyped-call]
    return [returned for piece in pieces if (returned := compiled([*piece, written(numbers)]))]


def _call_with_vectors(
    compiled: Any, written: ScalarBuffer, tensors: Sequence[Tensor], numbers: tuple[Any, ...]
) -> list[Any]:
    vectors = [value for value in numbers if isinstance(value, Tensor)]
    plain = tuple(value for value in numbers if not isinstance(value, Tensor))
    return _call(compiled, written, [*tensors, *vectors], plain)

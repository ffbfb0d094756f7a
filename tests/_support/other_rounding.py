"""Pytest plugin (``-p other_rounding``): the tests on a processor that rounds otherwise.

The results of +, -, *, / and the square root are the same everywhere. The order of a sum, whether a product and a sum are
rounded once or twice, and the last digits of functions are not: each such result of torch's moves by up to 2 units in its
last place. Its bits decide how far, so that the same operation on the same numbers has one result, as on one machine.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

FREE = (  # beginnings of names of operators whose last digits are not fixed
    "addcdiv", "addcmul", "addmm", "addmv", "baddbmm", "bmm", "convolution", "cos", "cumprod", "cumsum", "dot", "erf", "exp",
    "fused", "gelu", "lerp", "linalg", "log", "mean", "mm", "mse_loss", "mv", "native_layer_norm", "norm", "pow", "prod",
    "rsqrt", "sigmoid", "sin", "softmax", "std", "sum", "tanh", "var", "vdot",
)  # fmt: skip
BITS = {torch.float32: torch.int32, torch.float64: torch.int64}
LARGEST = 200_000  # elements; larger tensors would take long


class OtherRounding(TorchDispatchMode):
    """Moves the last digits of what the operators in `FREE` return or write."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.__name__.partition(".")[0].strip("_").removeprefix("foreach_")
        if name.startswith(FREE):
            for value in tree_leaves(args[0] if result is None or name.startswith("fused") else result):
                if type(value) in (torch.Tensor, torch.nn.Parameter):
                    _move(value.detach())
        return result


def _move(value: torch.Tensor) -> None:
    if value.is_complex() and not value.is_conj():
        value = torch.view_as_real(value)
    is_expanded = value.layout is torch.strided and any(stride == 0 for stride in value.stride())
    if value.dtype not in BITS or value.layout is not torch.strided or is_expanded or value.numel() > LARGEST:
        return
    bits = value.view(BITS[value.dtype])
    away = (bits.long() * 2654435761 >> 7) % 5 - 2
    coarse = value * 1024 == (value * 1024).round()  # zeros, whole numbers, halves: exact in any order
    bits.add_(torch.where(value.isfinite() & ~coarse & (value.abs() > 1e-30), away, 0).to(bits.dtype))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    with OtherRounding():
        return (yield)

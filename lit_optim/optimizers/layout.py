"""What fused kernels can walk over: gradients and state in the strides of their parameters, buffers for all or none."""

from __future__ import annotations

import warnings
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adagrad, Optimizer

WIDE = (torch.float32, torch.float64)
_PARAMS = itemgetter("params")


def lay_out(optimizer: Optimizer) -> None:
    """Gives gradients and state the strides of their parameter, where a fused kernel is going to walk over them."""
    sgd, adagrad = type(optimizer) is SGD, type(optimizer) is Adagrad
    for group in optimizer.param_groups:
        if not group.get("fused"):
            continue
        if sgd and group["momentum"] and len(optimizer.state) < sum(map(len, map(_PARAMS, optimizer.param_groups))):
            complete_momentum(optimizer, group)  # a parameter has no state yet: one that is unfrozen, say
        moved = adagrad and any(
            p.device.type != "cpu" for p in group["params"][:1]
        )  # to a GPU, for which it has no kernel
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                continue
            without = moved or (sgd and p.dtype not in WIDE and p.device.type == "cpu")  # a right kernel
            if not (without or grad.is_sparse) and p.is_contiguous() and grad.is_contiguous():
                continue  # nearly always
            if without or grad.is_sparse or not (p.is_contiguous() or is_dense(p)):
                group["fused"] = False  # the loop is right for all three
                break
            if not (grad.is_contiguous() and p.is_contiguous()):
                # from here on the state may have been created under other strides than the parameter has now
                optimizer.__dict__["_lit_optim_any_strides"] = True
                if grad.stride() != p.stride():
                    p.grad = torch.empty_like(p, dtype=grad.dtype).copy_(grad)
                    _warn_once(optimizer, "gradients with other strides than their parameters are copied at each step")
    if "_lit_optim_any_strides" in optimizer.__dict__:
        lay_out_state(optimizer)


def lay_out_state(optimizer: Optimizer) -> None:
    """Gives state tensors of a parameter's shape its strides."""
    for p, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == p.shape and value.stride() != p.stride():
                state[name] = torch.empty_like(p, dtype=value.dtype).copy_(value)


def complete_momentum(optimizer: Optimizer, group: dict[str, Any]) -> None:
    """Gives all parameters a buffer where some have one: fused SGD takes no mixture, which the loop begins anew."""
    buffers = {p: optimizer.state.get(p, {}).get("momentum_buffer") for p in group["params"]}
    if type(optimizer) is not SGD or not group["momentum"] or all(buffer is None for buffer in buffers.values()):
        return
    if group["dampening"]:  # a first buffer is the gradient, not dampened
        group["fused"] = group["fused"] and all(buffer is not None for buffer in buffers.values())
        return
    for p in [p for p, buffer in buffers.items() if buffer is None]:
        optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p, requires_grad=False)


def is_dense(tensor: Tensor) -> bool:
    """Whether the elements fill one block of memory without gaps or overlaps, in whatever order of dimensions.

    Example:
        >>> is_dense(torch.zeros(4, 3).t()), is_dense(torch.zeros(4, 3)[:, :2]), is_dense(torch.zeros(1).expand(3))
        (True, False, False)
    """
    expected = 1
    for stride, size in sorted((s, n) for s, n in zip(tensor.stride(), tensor.shape, strict=True) if n != 1):
        if stride != expected:
            return False
        expected *= size
    return True


def _warn_once(optimizer: Optimizer, message: str) -> None:
    if message not in optimizer.__dict__.setdefault("_lit_optim_warned", set()):
        optimizer.__dict__["_lit_optim_warned"].add(message)
        warnings.warn(f"{type(optimizer).__name__}(fused=True): {message}", stacklevel=3)

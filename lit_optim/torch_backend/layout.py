"""Copy gradients and state to the strides of their parameters, which fused kernels assume."""

from __future__ import annotations

import warnings
from itertools import chain
from operator import is_, itemgetter, methodcaller
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adagrad, Optimizer

from lit_optim.errors import ConfigError

WIDE = (torch.float32, torch.float64)
READ = ("its gradient", "exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "sum")  # by fused kernels
_PARAMS, _VALUES, _NUMEL, _NOTHING = itemgetter("params"), methodcaller("values"), Tensor.numel, ((), ())


def lay_out(optimizer: Optimizer) -> None:
    """Copy gradients and state to the strides of their parameter, where a fused kernel reads them."""
    if any(group.get("fused") for group in optimizer.param_groups):
        check_sizes(optimizer)
    sgd, adagrad = type(optimizer) is SGD, type(optimizer) is Adagrad
    for group in optimizer.param_groups:
        if not group.get("fused"):
            continue
        if sgd and group["momentum"] and len(optimizer.state) != sum(map(len, map(_PARAMS, optimizer.param_groups))):
            complete_momentum(optimizer, group)  # a parameter may have no state yet: one that is unfrozen, say
        on_gpu = adagrad and any(not p.is_cpu for p in group["params"][:1])  # moved there: it has no such kernel
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                continue
            needs_loop = on_gpu or grad.is_sparse or (sgd and p.dtype not in WIDE and p.is_cpu)
            if not needs_loop and p.is_contiguous() and grad.is_contiguous():
                continue  # nearly always
            if needs_loop or not (p.is_contiguous() or is_dense(p)):
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


def check_sizes(optimizer: Optimizer) -> None:
    """Reject gradients and state of another size than their parameter: a kernel would read out of bounds.

    Sizes are compared at each step; the state is checked again only where it holds new tensors.

    Raises:
        ConfigError: with the first one, and what to do.
    """
    state = optimizer.state
    sizes = [*map(_NUMEL, state or chain.from_iterable(map(_PARAMS, optimizer.param_groups)))]
    entries = [*chain.from_iterable(map(_VALUES, state.values()))]
    before, known = optimizer.__dict__.get("_lit_optim_sizes", _NOTHING)
    if sizes == before and len(entries) == len(known) and all(map(is_, entries, known)):
        return
    params = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    for i, p in enumerate(params):
        for name, tensor in {"its gradient": p.grad, **state.get(p, {})}.items():
            is_counter = isinstance(tensor, Tensor) and tensor.ndim == 0 and name not in READ
            if isinstance(tensor, Tensor) and not is_counter and tensor.numel() != p.numel():
                rule = f"{name} has shape {tuple(tensor.shape)}, and the parameter {tuple(p.shape)}"
                where = f"{type(optimizer).__name__}, parameter {i} of those with a gradient"
                raise ConfigError(f"{where}: {rule}; after changing the size of parameters build another optimizer")
    optimizer.__dict__["_lit_optim_sizes"] = sizes, entries


def lay_out_state(optimizer: Optimizer) -> None:
    """Copy state tensors of a parameter's shape to its strides."""
    for p, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == p.shape and value.stride() != p.stride():
                state[name] = torch.empty_like(p, dtype=value.dtype).copy_(value)


def complete_momentum(optimizer: Optimizer, group: dict[str, Any]) -> None:
    """Create the missing buffers where some parameters have one: fused SGD takes buffers for all or none."""
    buffers = {p: optimizer.state.get(p, {}).get("momentum_buffer") for p in group["params"]}
    if type(optimizer) is not SGD or not group["momentum"] or all(buffer is None for buffer in buffers.values()):
        return
    if group["dampening"]:  # a first buffer is the gradient, not dampened
        group["fused"] = group["fused"] and all(buffer is not None for buffer in buffers.values())
        return
    for p in [p for p, buffer in buffers.items() if buffer is None]:
        optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p, requires_grad=False)


def is_dense(tensor: Tensor) -> bool:
    """Return whether the elements fill one block of memory without gaps or overlaps, in any order of dimensions.

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


def flat_view(tensor: Tensor) -> Tensor:
    """Return a 1-D view of a dense tensor in the order of its memory.

    Example:
        >>> flat_view(torch.tensor([[1, 2], [3, 4]]).t())
        tensor([1, 2, 3, 4])
    """
    return tensor.view(-1) if tensor.is_contiguous() else tensor.as_strided((tensor.numel(),), (1,))


def _warn_once(optimizer: Optimizer, message: str) -> None:
    if message not in optimizer.__dict__.setdefault("_lit_optim_warned", set()):
        optimizer.__dict__["_lit_optim_warned"].add(message)
        warnings.warn(f"{type(optimizer).__name__}(fused=True): {message}", stacklevel=3)

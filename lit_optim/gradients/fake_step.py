"""Steps that are none: torch.distributed.checkpoint takes one to make an optimizer create its state."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch.optim import Optimizer

from lit_optim.gradients.shards import is_sharded, local


def is_fake_step(optimizer: Optimizer) -> bool:
    """Whether a step without closure can change nothing: no state yet, every lr 0, all gradients zero on all ranks.

    Example:
        >>> p = torch.zeros(2, requires_grad=True)
        >>> p.grad = torch.zeros(2)
        >>> is_fake_step(torch.optim.SGD([p], lr=0.0)), is_fake_step(torch.optim.SGD([p], lr=0.1))
        (True, False)
    """
    if any(float(group.get("lr", 1.0)) != 0.0 for group in optimizer.param_groups):
        return False
    grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if any(optimizer.state.get(p) for group in optimizer.param_groups for p in group["params"]):
        return False
    zero = all(not local(grad).any() for grad in grads if grad.layout is torch.strided)
    if any(is_sharded(grad) for grad in grads) and dist.is_initialized():
        nonzero = torch.tensor(float(not zero), device=local(grads[0]).device)
        dist.all_reduce(nonzero)
        zero = not nonzero.item()
    return zero

"""Decides whether an optimizer step may be taken, on all ranks alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer

from lit_optim.callbacks.finite_guard.is_finite import agreed_problem, are_finite, first_non_finite, sum_of_norms
from lit_optim.distributed import local_tensor


def problem_of_step(
    optimizer: Optimizer, module: nn.Module, losses: Sequence[Tensor] = (), *, hidden: bool = False, ranks: int = 1
) -> str | None:
    """Return what of a step is not finite; None: it may be taken.

    As long as all is finite there is one norm over losses and gradients, one all-reduce of this number, and the host
    waits once, for it. Elements are looked at where it is not finite.

    Args:
        optimizer: before its step, with the gradients that it consumes.
        module: has the names of the parameters.
        losses: of the batches since the last step.
        hidden: whether clipping may have hidden a gradient that was not finite.
        ranks: how many there are; all of them must call it.

    Example:
        >>> layer = nn.Linear(1, 1)
        >>> optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        >>> (layer(torch.ones(1, 1)).sum() * torch.tensor(float("inf"))).backward()
        >>> problem_of_step(optimizer, layer)
        'the gradient of weight is not finite'
    """
    lrs = [group.get("lr", 0.0) for group in optimizer.param_groups]
    gradients = gradients_of(optimizer)
    total = sum_of_norms([*losses, *gradients, *(lr for lr in lrs if isinstance(lr, Tensor))])
    number = sum(lr for lr in lrs if not isinstance(lr, Tensor))
    seen = math.nan if hidden or not math.isfinite(number) else 0.0
    like = optimizer.param_groups[0]["params"][0]
    if ranks > 1:
        total = torch.zeros((), device=local_tensor(like).device) if total is None else total.float()
        dist.all_reduce(total.add_(seen))
    if math.isfinite(seen if total is None else float(total) + seen):
        return None
    return agreed_problem(_own_problem(lrs, losses, optimizer, module, hidden), like, ranks)


def gradients_of(optimizer: Optimizer) -> list[Tensor]:
    """Return the gradients that an optimizer would consume now."""
    return [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]


def _own_problem(
    lrs: Sequence[float | Tensor], losses: Sequence[Tensor], optimizer: Optimizer, module: nn.Module, hidden: bool
) -> str | None:
    """Return what is not finite on this rank, the cause before what follows from it."""
    for lr in lrs:
        if not math.isfinite(lr):
            return f"the lr is {float(lr)}"
    for loss in losses:
        if not are_finite([loss]):
            return f"the loss is {float(loss.sum())}"
    names = {p: name for name, p in module.named_parameters()}
    params = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    found = first_non_finite({names.get(p, f"parameter {i}"): p.grad for i, p in enumerate(params)})
    if found is not None:
        return f"the gradient of {found} is not finite"
    return "a gradient was not finite before it was clipped" if hidden else None

"""The step that is none: distributed checkpoints take one with lr 0 and gradients 0, to have the state created."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch.optim import Optimizer

if TYPE_CHECKING:
    from lit_optim.engine.param_bucket import ParamBucket


def is_rehearsal(optimizer: Optimizer, buckets: Sequence[ParamBucket]) -> bool:
    """Whether this step is to create state, and to count nothing.

    So it is if every lr is exactly 0, no active parameter has taken a step before, and all gradients are zero - on all
    ranks, where parameters are sharded: one that has a gradient makes it a step for everybody.
    """
    if any(float(group["lr"]) for group in optimizer.param_groups) or not buckets:
        return False
    if any(float(bucket.counters["step"]) for bucket in buckets):
        return False
    parameters = [m.p for bucket in buckets for m in bucket.members]
    gradients = [p.grad.to_local() if hasattr(p.grad, "to_local") else p.grad for p in parameters]  # type: ignore[union-attr]
    moving = any(bool(g.any()) for g in gradients if g is not None)
    if any(hasattr(p, "to_local") for p in parameters) and dist.is_initialized():
        found = torch.tensor(float(moving), device=gradients[0].device)  # type: ignore[union-attr]
        dist.all_reduce(found, dist.ReduceOp.MAX)
        moving = bool(found)
    return not moving

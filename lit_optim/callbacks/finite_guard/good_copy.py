"""Keeps copies of what a step or a forward pass changes, to go back to them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lit_optim.callbacks.finite_guard.is_finite import running_statistics
from lit_optim.distributed import local_tensor
from lit_optim.scheduler.driven_value import is_tensor
from lit_optim.scheduler.schedule_lr import ScheduleLR


class TensorCopy:
    """Copies tensors, sharded ones by their shards, into memory of the same size.

    Example:
        >>> weights = [torch.ones(2)]
        >>> kept = TensorCopy(weights)
        >>> _ = weights[0].zero_(); kept.restore(); weights
        [tensor([1., 1.])]
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        by_kind: dict[Any, list[Tensor]] = {}
        for tensor in tensors:
            by_kind.setdefault((tensor.dtype, tensor.device), []).append(local_tensor(tensor.detach()))
        self.pairs = [(live, [each.clone() for each in live]) for live in by_kind.values()]  # one kernel for each kind

    def take(self) -> None:
        """Copy the present values."""
        for live, kept in self.pairs:
            torch._foreach_copy_(kept, live)

    def restore(self) -> None:
        """Put the values back."""
        for live, kept in self.pairs:
            torch._foreach_copy_(live, kept)


class GoodCopy:
    """Copies weights, running statistics and optimizer states, on their devices.

    Args:
        module: that is trained.
        optimizers: of the fit.
    """

    def __init__(self, module: nn.Module, optimizers: Sequence[Optimizer]) -> None:
        self.optimizers = optimizers
        self.weights = TensorCopy([*module.parameters(), *running_statistics(module).values()])
        self.states = [copy.deepcopy(optimizer.state_dict()) for optimizer in optimizers]
        self.sizes = self._group_sizes()

    def fits(self) -> bool:
        """Return whether the param groups are those of the copy; some callbacks add groups."""
        return self.sizes == self._group_sizes()

    def restore(self, schedulers: Sequence[Any], factor: float) -> None:
        """Go back to the copy, with smaller lrs; schedules go on from these at their present step.

        Args:
            schedulers: of the fit.
            factor: of the lrs.
        """
        self.weights.restore()
        own = [scheduler for scheduler in schedulers if isinstance(scheduler, ScheduleLR)]
        for i, optimizer in enumerate(self.optimizers):
            foreign = any(s.optimizer is optimizer and s not in own for s in schedulers)  # goes on from its last lr
            lrs = [group.get("lr") for group in optimizer.param_groups]
            optimizer.load_state_dict(copy.deepcopy(self.states[i]))
            for group, lr in zip(optimizer.param_groups, lrs, strict=True):
                _scale_lr(group, lr if foreign else group.get("lr"), factor)
        for scheduler in own:
            scheduler.rewrite()
        self.states = [copy.deepcopy(optimizer.state_dict()) for optimizer in self.optimizers]

    def _group_sizes(self) -> list[list[int]]:
        return [[len(group["params"]) for group in optimizer.param_groups] for optimizer in self.optimizers]


def _scale_lr(group: dict[str, Any], lr: Any, factor: float) -> None:
    """Scale the lr of a group, and the initial one that a schedule starts from."""
    if lr is not None:
        group["lr"] = group["lr"].fill_(lr * factor) if is_tensor(group["lr"]) else lr * factor
    if "initial_lr" in group:
        group["initial_lr"] = group["initial_lr"] * factor

"""Tells real optimizer steps from those that a gradient scaler skips, and from the one that only creates state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import Optimizer

from lit_optim.distributed import any_rank, is_sharded, local_tensor


class AppliedStepCounter:
    """Counts the steps of an optimizer, without those that were skipped.

    A scaler does not call ``step`` where it finds an overflow; one that handles it itself (``fused``) is called with
    ``found_inf`` set.

    Args:
        optimizer: whose steps are counted.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.ones(1)], lr=0.1)
        >>> steps = AppliedStepCounter(optimizer)
        >>> optimizer.step(); steps.has_moved(), steps.has_moved()
        (True, False)
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.taken = 0
        self.seen = 0
        optimizer.register_step_post_hook(self._count)

    def _count(self, optimizer: Any, *_: Any) -> None:
        self.taken += was_applied(optimizer)

    def has_moved(self) -> bool:
        """Return whether a step was taken since the last call."""
        before, self.seen = self.seen, self.taken
        return self.taken > before


@torch.no_grad()
def is_state_init_step(optimizer: Optimizer, counters: Iterable[Any] | None = None) -> bool:
    """Detect the zero-gradient step that torch.distributed.checkpoint takes to create state.

    It is a step without closure, before any other, with every lr 0 and all gradients zero on all ranks.

    Args:
        optimizer: before or after the step.
        counters: true where a step was taken before; default: the optimizer's state of each parameter.

    Example:
        >>> p = torch.zeros(2, requires_grad=True)
        >>> p.grad = torch.zeros(2)
        >>> is_state_init_step(torch.optim.SGD([p], lr=0.0)), is_state_init_step(torch.optim.SGD([p], lr=0.1))
        (True, False)
    """
    if any(float(group.get("lr", 1.0)) for group in optimizer.param_groups):
        return False
    if any(optimizer.state.values() if counters is None else counters):
        return False
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if not gradients:
        return False
    found = any(g.layout is not torch.strided or bool(local_tensor(g).any()) for g in gradients)
    return not (any_rank(found, gradients[0]) if any(map(is_sharded, gradients)) else found)


def was_applied(optimizer: Any) -> bool:
    """Return whether the last step has changed weights: a fused kernel skips it where ``found_inf`` is set."""
    found_inf = getattr(optimizer, "found_inf", None)
    return found_inf is None or not float(found_inf)


def has_gradients(optimizer: Optimizer) -> bool:
    """Return whether any parameter has a gradient."""
    return any(p.grad is not None for group in optimizer.param_groups for p in group["params"])


def closure_of(args: Any, kwargs: Any) -> Callable[[], Any] | None:
    """Return the closure of a step, from what its pre-hook gets: ``args`` begins with the optimizer itself."""
    closure: Callable[[], Any] | None = args[1] if len(args) > 1 else kwargs.get("closure")
    return closure


def after_closure(act: Callable[[], Any], args: Any, kwargs: Any) -> Any:
    """Act on the gradients that a step is going to consume: now, or once its closure has computed them.

    Returns:
        What a step pre-hook returns.

    Example:
        >>> after_closure(lambda: print("acts"), ("optimizer",), {})
        acts
        >>> (_, closure), _ = after_closure(lambda: print("acts"), ("optimizer", lambda: 1.0), {})
        >>> closure()
        acts
        1.0
    """
    closure = closure_of(args, kwargs)
    if closure is None:
        act()
        return None

    def closure_then_act() -> Any:
        loss = closure()
        act()
        return loss

    if len(args) > 1:
        return (args[0], closure_then_act, *args[2:]), kwargs
    return args, {**kwargs, "closure": closure_then_act}


def loss_of(closure: Callable[[], Any] | None) -> Any:
    """Call the closure of a step, if there is one, with gradients enabled, and return its loss.

    Example:
        >>> loss_of(None) is None, loss_of(torch.is_grad_enabled)
        (True, True)
    """
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()

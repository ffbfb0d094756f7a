"""Takes the steps of one optimizer only where what they consume passes a check."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import LBFGS, Optimizer

from lit_optim.step_hooks import after_closure


class _Rejected(Exception):
    """Leaves the step of an optimizer before it has changed anything."""


class StepGuard:
    """Leaves out the steps of an optimizer whose gradients do not pass a check.

    The check runs in the last step pre-hook, after the closure, clipping and gradient transforms: on what the optimizer
    consumes. A step that fails is left by an exception: neither weights nor state change, and no post-hook counts it,
    as with a step that a gradient scaler skips.

    LBFGS evaluates its closure several times. Where only a later evaluation fails, its weights go back to those before
    the step, and it begins with a new history.

    Args:
        optimizer: whose steps are guarded.
        passes: tells whether a step may be taken.
        rejected: called after a step that was left out.
        taken: called after a step that was taken.

    Example:
        >>> p = torch.ones(1, requires_grad=True)
        >>> optimizer = torch.optim.SGD([p], lr=1.0)
        >>> guard = StepGuard(optimizer, lambda: False, lambda: print("left out"), lambda: None)
        >>> p.grad = torch.ones(1)
        >>> optimizer.step(); p.data
        left out
        tensor([1.])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        passes: Callable[[], bool],
        rejected: Callable[[], None],
        taken: Callable[[], None],
    ) -> None:
        self.optimizer, self.passes, self.rejected, self.taken = optimizer, passes, rejected, taken
        self.start: list[Tensor] | None = None  # the weights before a step of LBFGS, once it was evaluated
        self.hook = optimizer.register_step_pre_hook(self._before_step)
        self.patched = vars(optimizer).get("step")  # by a torch scheduler, as we do below
        step = optimizer.step

        @functools.wraps(step)
        def guarded(_: Optimizer, *args: Any, **kwargs: Any) -> Any:
            self.start = None
            try:
                loss = step(*args, **kwargs)
            except _Rejected:
                self._undo()
                self.rejected()
                return None
            self.taken()
            return loss

        optimizer.step = types.MethodType(guarded, optimizer)  # type: ignore[method-assign]

    def detach(self) -> None:
        """Give the optimizer its own step back."""
        self.hook.remove()
        del self.optimizer.step
        if self.patched is not None:
            self.optimizer.step = self.patched  # type: ignore[method-assign]

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        return after_closure(self._check, args, kwargs)

    @torch.no_grad()
    def _check(self) -> None:
        if not self.passes():
            raise _Rejected
        if self.start is None and isinstance(self.optimizer, LBFGS):
            self.start = [p.clone() for p in self._params()]

    @torch.no_grad()
    def _undo(self) -> None:
        """Undo what LBFGS has done before a later evaluation failed."""
        if self.start is not None:
            for p, before in zip(self._params(), self.start, strict=True):
                p.copy_(before)
            self.optimizer.state.clear()

    def _params(self) -> list[Tensor]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]

"""Skip torch's step-hook wrapper when no hook is registered."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch._compile import _disable_dynamo
from torch.autograd import profiler
from torch.optim import Optimizer
from torch.optim import optimizer as shared


def without_unused_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``step`` so that torch's own wrapper runs only for hooks and profiles.

    Torch wraps the ``step`` of each class when the first object is made, and opens a record for the profiler at each
    step, which takes longer than the arithmetic of a small model. A ``torch.compile`` around whole training steps
    does not trace this one, which has compiled kernels already.
    """
    with_hooks = Optimizer.profile_hook_step(step)

    @functools.wraps(step)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_dynamo_compiling():
            return uncompiled(self, *args, **kwargs)
        if type(self).step is not wrapper:  # called by the step of a subclass, which has been wrapped
            return step(self, *args, **kwargs)
        if (
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or shared._global_optimizer_pre_hooks
            or shared._global_optimizer_post_hooks
            or profiler._is_profiler_enabled
        ):
            return with_hooks(self, *args, **kwargs)
        return step(self, *args, **kwargs)

    uncompiled = _disable_dynamo(wrapper)  # imports dynamo when it is called, and not before
    wrapper.hooked = True  # type: ignore[attr-defined]  # torch's own protocol: not to be wrapped again
    return wrapper

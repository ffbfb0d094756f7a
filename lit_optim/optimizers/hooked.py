"""Step hooks at no cost where there are none."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torch.autograd import profiler
from torch.optim import Optimizer
from torch.optim import optimizer as shared


def hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """A ``step`` that torch's own wrapper, which runs hooks and names it in profiles, is around only where they are.

    Torch wraps the ``step`` of each class when the first object is made, and opens a record for the profiler at each
    step, which takes longer than the arithmetic of a small model.
    """
    with_hooks = Optimizer.profile_hook_step(step)

    @functools.wraps(step)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
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

    wrapper.hooked = True  # type: ignore[attr-defined]  # torch's own protocol: not to be wrapped again
    return wrapper

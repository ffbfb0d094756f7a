"""Keep a second set of weights in an optimizer's state, to be evaluated and saved in place of the trained ones."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from lit_optim.averaging.lerp import swap_
from lit_optim.distributed import local_tensor
from lit_optim.errors import ConfigError
from lit_optim.step_hooks import closure_of, has_gradients, is_state_init_step, was_applied

if TYPE_CHECKING:
    from typing_extensions import Self

LIVE = "live_while_"  # and a key: in a parameter's state, while the parameter itself holds the weights of that key
_SHADOWS = "_lit_optim_shadow_weights"  # on an optimizer: the shadow weights that are attached to it, by key


class ShadowWeights:
    """Keeps a second set of weights in the state of the optimizer that trains the first.

    In training a parameter holds the live weights and its state, under ``key``, the evaluation weights. Swapped in, the
    parameter holds the evaluation weights and its state, under ``live_while_`` and the key, the live ones: a key always
    names what it holds, so that a checkpoint may be written at any moment, and either form may be loaded. A swap copies
    values: parameters stay the same tensors, nothing is rounded, and there is one extra copy of the weights at all
    times.

    Steps are counted by hooks of the optimizer, which run for steps that were applied. Nothing is done for steps
    without a gradient, for those whose gradients have overflowed, and for the one that torch's distributed checkpoints
    take to create state (first step, lr 0, gradients 0): that one creates state here too, and counts nothing.
    """

    key: ClassVar[str]

    def __init__(self) -> None:
        self.optimizer: Optimizer = None  # type: ignore[assignment]  # from attach() on
        self.restoring = False  # a checkpoint is loaded into the init step's state, which must contain the LIVE key
        self._hooks: list[Any] = []
        self.may_be_swapped = True  # False: parameters are known to hold the live weights
        self._creates_state = False

    def attach(self, optimizer: Optimizer) -> Self:
        """Attach to an optimizer and its present state.

        Raises:
            ConfigError: for what is no optimizer, or for a second attachment.
        """
        name = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise ConfigError(f"{name}.attach: expected a torch.optim.Optimizer, got {type(optimizer).__name__}")
        if self.optimizer is not None:
            raise ConfigError(f"{name}.attach: is attached already; make another {name} for another optimizer")
        attached = optimizer.__dict__.setdefault(_SHADOWS, {})
        if self.key in attached:
            raise ConfigError(
                f"{name}.attach: this {type(optimizer).__name__} has a {name} already; use that, or detach it"
            )
        attached[self.key] = self
        self.optimizer = optimizer
        self.prepare_groups(optimizer)
        self._hooks = [
            optimizer.register_step_pre_hook(self._before_step),
            optimizer.register_step_post_hook(self._after_step),
            optimizer.register_load_state_dict_post_hook(self._after_load),
        ]
        return self

    def detach(self) -> None:
        """Remove the hooks; state and weights stay as they are."""
        if self.optimizer is not None:
            self.optimizer.__dict__.get(_SHADOWS, {}).pop(self.key, None)
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self.optimizer = None  # type: ignore[assignment]

    @contextlib.contextmanager
    def evaluation(self) -> Iterator[None]:
        """Let the parameters hold the evaluation weights within a ``with`` block."""
        self.swap_in()
        try:
            yield
        finally:
            self.swap_out()

    @property
    def live(self) -> str:
        """Return the state key of the live weights while the parameters hold the evaluation weights."""
        return LIVE + self.key

    def swap_in(self) -> None:
        """Put the evaluation weights, where there are any, into the parameters; a second call has no effect."""
        self._swap(self.key, self.live)
        self.may_be_swapped = True

    def swap_out(self) -> None:
        """Put the live weights back into the parameters, bit for bit; a second call has no effect."""
        if self.may_be_swapped:
            self._swap(self.live, self.key)
            self.may_be_swapped = False

    @torch.no_grad()
    def _swap(self, name: str, new_name: str) -> None:
        for p, state in self.states():
            weights = state.get(name)
            if weights is None:
                continue
            if weights.dtype != p.dtype:  # more exact ones stay, beside the live weights
                if new_name not in state:
                    state[new_name] = p.detach().clone()
                    local_tensor(p).copy_(local_tensor(weights))
            elif new_name in state:
                local_tensor(p).copy_(local_tensor(state.pop(name)))
            else:
                swap_(p, state.pop(name))
                state[new_name] = weights

    def evaluated(self) -> dict[Tensor, Tensor]:
        """Return the evaluation weights of all parameters that do not hold them already."""
        held = ((p, state[self.key]) for p, state in self.states() if self.key in state and self.live not in state)
        return {p: weights.to(p.dtype) for p, weights in held}

    def computed(self) -> dict[Tensor, Tensor]:
        """Return the weights among `evaluated` that are not in the optimizer's state."""
        return {}

    def states(self) -> Iterator[tuple[Tensor, dict[str, Any]]]:
        """Iterate over parameters with their state, where there is any."""
        for group in self.optimizer.param_groups:
            for p in group["params"]:
                state = self.optimizer.state.get(p)
                if state:
                    yield p, state

    def shadowed(self, group: dict[str, Any]) -> list[tuple[Tensor, dict[str, Any]]]:
        """Return the parameters of a group that have shadow weights, with their state."""
        return [(p, state) for p in group["params"] if self.key in (state := self.optimizer.state.get(p, {}))]

    def prepare_groups(self, optimizer: Optimizer) -> None:
        """Add the keys that this class reads to every param group that lacks them."""

    def before_step(self) -> None:
        """Run before a step, and before its closure."""

    def after_step(self) -> None:
        """Run after a step that has moved parameters."""

    def create(self) -> None:
        """Create the state of all parameters with a gradient, without counting a step."""

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self.swap_out()
        self._creates_state = closure_of(args, kwargs) is None and is_state_init_step(optimizer)
        self.before_step()

    @torch.no_grad()
    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if not was_applied(optimizer):
            return
        if self._creates_state:
            self.create()
            if self.restoring:
                self.swap_in()
        elif has_gradients(optimizer):
            self.after_step()

    def _after_load(self, optimizer: Optimizer) -> None:
        self.may_be_swapped = True
        self.prepare_groups(optimizer)  # a state from before it was attached


@torch.no_grad()
def restore_live_weights(optimizer: Optimizer) -> bool:
    """Restore live weights to parameters that hold the weights of a detached callback.

    Returns:
        Whether there were any.

    Example:
        >>> p = torch.zeros(1, requires_grad=True)
        >>> optimizer = torch.optim.SGD([p], lr=1.0)
        >>> optimizer.state[p]["live_while_slow"] = torch.ones(1)
        >>> restore_live_weights(optimizer), p, dict(optimizer.state[p])
        (True, tensor([1.], requires_grad=True), {})
    """
    attached = optimizer.__dict__.get(_SHADOWS, {})
    live_keys = {shadow.live for shadow in attached.values()}
    for shadow in reversed(attached.values()):
        shadow.swap_out()  # a sanity check may have swapped on top of what was loaded
    found = False
    for p, state in optimizer.state.items():
        for name in [n for n in state if isinstance(n, str) and n.startswith(LIVE) and n not in live_keys]:
            local_tensor(p).copy_(local_tensor(state.pop(name)))
            found = True
    return found

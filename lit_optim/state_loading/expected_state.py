"""Find an optimizer's state after its first step, by taking one on a small dummy parameter."""

from __future__ import annotations

import copy
import inspect
import itertools
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Adagrad, Optimizer

PRIMES = (5, 7, 11, 13, 17, 19, 23, 29)  # sizes of a dummy: each says which dimension it stands for
SMALL = 4_096  # elements; up to here a dummy has the parameter's own shape
STEP_FLAGS = (
    "fused",
    "foreach",
    "capturable",
    "differentiable",
    "compile",
)  # change how a step is taken, not its state
VALUES = (bool, int, float, str, type(None))
GRADIENTS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda p: torch.ones_like(p, requires_grad=False),
    lambda p: torch.autograd.grad((p * p).sum(), p, create_graph=True)[0],
    lambda p: torch.ones_like(p, requires_grad=False).to_sparse(),
)


State = dict[str, Any]  # of one parameter, by key


class TensorLike(NamedTuple):
    """Describes a tensor of the state.

    Attributes:
        shape: None where it does not follow from that of a dummy.
        dtype: as the class makes it.
        cls: its type.
    """

    shape: tuple[int, ...] | None
    dtype: torch.dtype
    cls: type = Tensor


class FirstState(NamedTuple):
    """Describes the state that a class keeps for a parameter.

    Attributes:
        state: with `TensorLike` in place of tensors; None where the class cannot be tried.
        required: keys that have a value after a first step, whenever it is taken.
        error: why no step with the saved param group can be the first one of the parameter; without a ``state``, why no
            step can be taken with that group at all, while it can with a live one.
    """

    state: State | None
    required: frozenset[str]
    error: str = ""


class FirstStates:
    """Finds and caches first states of an optimizer.

    Args:
        optimizer: it is not changed; another object of its class takes the steps.
        devices: where dummies are; default: on the CPU, then where the parameter is.
    """

    def __init__(self, optimizer: Optimizer, devices: Sequence[str] = ()) -> None:
        self.optimizer = optimizer
        self.devices = devices
        self._known: dict[Any, Any] = {}

    def __call__(self, group: Mapping[str, Any], p: Tensor, *, exact: bool = False) -> FirstState:
        """Return the first state of a parameter.

        Args:
            group: hyper-parameters that the step is taken with.
            p: the parameter.
            exact: in its own size, however large it is.
        """
        shape = tuple(p.shape)
        size = shape if exact or p.numel() <= SMALL or p.ndim > len(PRIMES) else _primes(shape)
        key = (id(group), shape, size, p.dtype)
        if key not in self._known:
            self._known[key] = self._found(group, p, size), group  # the group is kept, so that its id is not reused
        first: FirstState = self._known[key][0]
        return first

    def _found(self, group: Mapping[str, Any], p: Tensor, size: tuple[int, ...]) -> FirstState:
        # a saved group may count steps, and its class then rely on state that a first step has not made
        defaults = self.optimizer.defaults
        fresh = {k: defaults["step"] if k == "step" else v for k, v in group.items() if k in defaults}
        is_fresh = "step" not in defaults and len(fresh) == len(group) - 1
        resumed, error = self._try_step(group, p, size)
        begun = resumed if is_fresh else self._try_step(fresh, p, size)[0]
        states = [state for state in (resumed, begun) if state is not None]
        if states:
            required = {k for k in states[0] if all(state.get(k) is not None for state in states)}
            return FirstState({**states[0], **states[-1]}, frozenset(required), error)
        if all(self._try_step(live, p, size)[0] is None for live in self.optimizer.param_groups):
            return FirstState(None, frozenset())
        kind, _, key = error.partition(" ")
        if kind == "KeyError":
            error += f"; it was not written by {type(self.optimizer).__name__}, whose param groups have {key} too"
        return FirstState(None, frozenset(), error)

    def _try_step(self, group: Mapping[str, Any], p: Tensor, size: tuple[int, ...]) -> tuple[State | None, str]:
        """Return the state after a first step, or None and why it failed."""
        problem = ""
        sizes = None if size == p.shape else dict(zip(size, p.shape, strict=True))
        devices = self.devices or dict.fromkeys(["cpu", str(p.device)])
        for device, gradient in itertools.product(devices, GRADIENTS):
            try:
                with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), torch.enable_grad():
                    warnings.simplefilter("ignore")
                    dummy = torch.ones(size, dtype=p.dtype, device=device, requires_grad=True)
                    state = _step(self.optimizer, group, dummy, gradient)
                return {k: _without_values(v, sizes) for k, v in state.items()}, ""
            except Exception as error:
                problem = problem or f"{type(error).__name__} {error}"
        return None, problem


def _step(optimizer: Optimizer, group: Mapping[str, Any], p: Tensor, gradient: Callable[[Tensor], Tensor]) -> State:
    """Return the state of a dummy after a step of another object of the optimizer's class."""
    cls = type(optimizer)
    named = {k: v for k, v in inspect.signature(cls).parameters.items() if v.kind is not v.VAR_KEYWORD}
    arguments = {k: _copied(v, p) for k, v in optimizer.defaults.items() if k in named}
    twin = cls([p], **{**arguments, **{flag: False for flag in STEP_FLAGS if flag in arguments}})
    twin.__dict__.update({k: v for k, v in vars(optimizer).items() if isinstance(v, VALUES) and k in vars(twin)})
    values = {k: _copied(v, p) for k, v in group.items() if k not in ("params", "param_names")}
    values.update({flag: False for flag in STEP_FLAGS if flag in values})
    made = twin.state if cls is Adagrad else {}  # torch 2.6 makes it in the constructor, and misses it in a step
    twin.__setstate__({"state": defaultdict(dict, made), "param_groups": [{**values, "params": [p]}]})
    if callable(getattr(twin, "train", None)):  # schedule-free
        twin.train()  # type: ignore[attr-defined]
    p.grad = gradient(p)
    twin.step(lambda: torch.zeros(()))  # type: ignore[arg-type,return-value]
    return dict(twin.state.get(p, {}))


def _copied(value: Any, p: Tensor) -> Any:
    """Copy a hyper-parameter, to the device of the dummy."""
    return value.detach().to(p.device, copy=True) if isinstance(value, Tensor) else copy.deepcopy(value)


def _primes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a dummy: keep dimensions of 0 and 1, use a different prime for each other one.

    Example:
        >>> _primes((4096, 1, 512))
        (5, 1, 11)
    """
    return tuple(n if n <= 1 else prime for n, prime in zip(shape, PRIMES, strict=False))


def _without_values(value: Any, sizes: Mapping[int, int] | None) -> Any:
    """Return a part of a dummy's state with `TensorLike` in place of tensors, in the sizes of the parameter.

    Example:
        >>> _without_values({"row": torch.zeros(5, 1)}, {5: 4096, 7: 512})["row"].shape
        (4096, 1)
    """
    if isinstance(value, Tensor):
        shape: tuple[int, ...] | None = tuple(value.shape)
        if sizes is not None:
            shape = tuple(sizes.get(n, n) for n in value.shape) if {*value.shape} <= {0, 1, *sizes} else None
        return TensorLike(shape, value.dtype, type(value))
    if isinstance(value, Mapping):
        return {k: _without_values(v, sizes) for k, v in value.items()}
    return [_without_values(v, sizes) for v in value] if isinstance(value, (list, tuple)) else value

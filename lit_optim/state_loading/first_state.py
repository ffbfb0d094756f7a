"""The state that a first step of an optimizer makes for a parameter: found by taking one, on a small stand-in."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Adagrad, Optimizer

PRIMES = (5, 7, 11, 13, 17, 19, 23, 29)  # sizes of a stand-in: each says which dimension it stands for
SMALL = 4_096  # elements; up to here a stand-in has the parameter's own shape
SLOW = ("fused", "foreach", "capturable", "differentiable", "compile")  # change how a step is taken, not its state
PLAIN = (bool, int, float, str, type(None))


class Like(NamedTuple):
    """What a tensor of the state is like.

    Attributes:
        shape: None where it does not follow from that of a stand-in.
        dtype: as the class makes it.
        cls: its type.
    """

    shape: tuple[int, ...] | None
    dtype: torch.dtype
    cls: type = Tensor


class First(NamedTuple):
    """What a class keeps for a parameter.

    Attributes:
        state: with `Like` in place of tensors; None where the class cannot be tried.
        required: keys that are there after a first step, whenever it is taken.
        late: whether it may be taken while other parameters have taken theirs.
        error: why it may not.
        foreign: whether the reason is the saved group, for with a live one it may.
    """

    state: dict[str, Any] | None
    required: frozenset[str]
    late: bool
    error: str
    foreign: bool = False


class FirstStates:
    """First states of an optimizer, each found once.

    Args:
        optimizer: it is not touched; what steps is another object of its class.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self._known: dict[Any, Any] = {}

    def __call__(self, group: Mapping[str, Any], p: Tensor, *, exact: bool = False) -> First:
        """The first state of a parameter.

        Args:
            group: hyper-parameters that the step is taken with.
            p: the parameter.
            exact: in its own size, however large it is.
        """
        shape = tuple(p.shape)
        size = shape if exact or p.numel() <= SMALL or p.ndim > len(PRIMES) else _primes(shape)
        key = (id(group), size, p.dtype)
        if key not in self._known:
            # a saved group may count steps, and its class take a parameter without a state for granted from then on
            defaults = self.optimizer.defaults
            fresh = {k: defaults["step"] if k == "step" else v for k, v in group.items() if k in defaults}
            late, error = self._tried(group, p, size)
            made = self._tried(fresh, p, size)[0] if "step" in defaults or len(fresh) < len(group) - 1 else late
            tries = [] if late is not None or made is not None else self.optimizer.param_groups
            foreign = any(self._tried(live, p, size)[0] is not None for live in tries)
            self._known[key] = late, made, error, foreign, group  # kept, so that its id stays its own
        late, made, error, foreign, _ = self._known[key]
        back = None if size == shape else dict(zip(size, shape, strict=True))
        states = [state for state in (late, made) if state is not None]
        whole = {k: _scaled(v, back) for state in states for k, v in state.items()} if states else None
        required = frozenset(k for k in whole or () if all(k in state for state in states))
        return First(whole, required, late is not None, error, foreign)

    def _tried(self, group: Mapping[str, Any], p: Tensor, size: tuple[int, ...]) -> tuple[dict[str, Any] | None, str]:
        first = ""
        for device in dict.fromkeys(["cpu", str(p.device)]):
            for gradient in (_dense, _differentiable, _sparse):
                try:
                    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), torch.enable_grad():
                        warnings.simplefilter("ignore")
                        stand_in = torch.ones(size, dtype=p.dtype, device=device, requires_grad=True)
                        return _like(_step(self.optimizer, group, stand_in, gradient)), ""
                except Exception as error:
                    first = first or f"{type(error).__name__} {error}"
        return None, first


def _step(
    optimizer: Optimizer, group: Mapping[str, Any], p: Tensor, gradient: Callable[[Tensor], Tensor]
) -> dict[str, Any]:
    """The state of a stand-in after a step of another object of the optimizer's class."""
    cls = type(optimizer)
    named = {k: v for k, v in inspect.signature(cls).parameters.items() if v.kind is not v.VAR_KEYWORD}
    arguments = {k: _apart(v, p) for k, v in optimizer.defaults.items() if k in named}
    twin = cls([p], **{**arguments, **{flag: False for flag in SLOW if flag in arguments}})
    twin.__dict__.update({k: v for k, v in vars(optimizer).items() if isinstance(v, PLAIN) and k in vars(twin)})
    values = {k: _apart(v, p) for k, v in group.items() if k not in ("params", "param_names")}
    values.update({flag: False for flag in SLOW if flag in values})
    made = twin.state if cls is Adagrad else {}  # torch 2.6 makes it in the constructor, and misses it in a step
    twin.__setstate__({"state": defaultdict(dict, made), "param_groups": [{**values, "params": [p]}]})
    if callable(getattr(twin, "train", None)):  # schedule-free
        twin.train()  # type: ignore[attr-defined]
    p.grad = gradient(p)
    twin.step(lambda: torch.zeros(()))  # type: ignore[arg-type,return-value]
    return dict(twin.state.get(p, {}))


def _apart(value: Any, p: Tensor) -> Any:
    """A copy of a hyper-parameter."""
    return value.detach().to(p.device, copy=True) if isinstance(value, Tensor) else copy.deepcopy(value)


def _dense(p: Tensor) -> Tensor:
    return torch.ones_like(p, requires_grad=False)


def _differentiable(p: Tensor) -> Tensor:
    return torch.autograd.grad((p * p).sum(), p, create_graph=True)[0]


def _sparse(p: Tensor) -> Tensor:
    return _dense(p).to_sparse()


def _primes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a stand-in: dimensions of 0 and 1 as they are, each other one a prime of its own.

    Example:
        >>> _primes((4096, 1, 512))
        (5, 1, 11)
    """
    return tuple(n if n <= 1 else prime for n, prime in zip(shape, PRIMES, strict=False))


def _like(value: Any) -> Any:
    """A state with `Like` in place of tensors."""
    if isinstance(value, Tensor):
        return Like(tuple(value.shape), value.dtype, type(value))
    if isinstance(value, Mapping):
        return {k: _like(v) for k, v in value.items()}
    return [_like(v) for v in value] if isinstance(value, (list, tuple)) else value


def _scaled(value: Any, back: Mapping[int, int] | None) -> Any:
    """The state of a stand-in with the sizes of its parameter.

    Example:
        >>> _scaled({"row": Like((5, 1), torch.float32)}, {5: 4096, 7: 512})["row"].shape
        (4096, 1)
    """
    if back is None:
        return value
    if isinstance(value, Like):
        known = all(n <= 1 or n in back for n in value.shape or ())
        return value._replace(shape=tuple(back.get(n, n) for n in value.shape or ()) if known else None)
    if isinstance(value, Mapping):
        return {k: _scaled(v, back) for k, v in value.items()}
    return [_scaled(v, back) for v in value] if isinstance(value, list) else value

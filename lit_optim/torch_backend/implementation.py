"""``fused``, ``foreach`` or the loop: the fastest implementation that computes the right thing.

On a CPU ``fused=True`` is 3 to 9 times faster than torch's default, but silently wrong where the strides of a
parameter, its gradient and its state differ, and for SGD in 16 bits. So it is chosen by a rule, and kept true by hooks.
"""

from __future__ import annotations

import copy
import functools
import inspect
import weakref
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.optim import ASGD, SGD, Adagrad, Adam, AdamW, Optimizer

from lit_optim.distributed import is_sharded
from lit_optim.state_loading.guard import guard
from lit_optim.state_loading.parameter_names import optimizer_names
from lit_optim.torch_backend.layout import WIDE, complete_momentum, is_dense, lay_out, lay_out_state

FUSED = (Adam, AdamW, SGD, Adagrad)
FLAGS = ("fused", "foreach", "capturable", "differentiable")
SMALL = 8_192  # elements a tensor on average; below, the calls take the time and not the arithmetic
MANY = 8  # tensors


def fastest(cls: type[Optimizer], parameters: Iterable[Tensor], given: Mapping[str, Any]) -> dict[str, bool]:
    """The implementation flags to construct ``cls`` with; empty where the user or torch's own default decides.

    Args:
        cls: optimizer class; only torch's own ones, not subclasses of them, are known to take the flags.
        parameters: all parameters it will own.
        given: keyword arguments of the user's; any implementation flag among them ends the choice.

    Example:
        >>> fastest(torch.optim.AdamW, [torch.zeros(2, 3)], {})
        {'fused': True}
        >>> fastest(torch.optim.SGD, [torch.zeros(2, 3, dtype=torch.bfloat16)], {})
        {}
    """
    parameters = list(parameters)
    if not parameters or any(given.get(flag) is not None for flag in FLAGS):
        return {}
    if any(is_lazy(p) for p in parameters):  # nobody knows yet how it will lie in memory
        return {}
    if cls in FUSED and fused_is_right(cls, parameters):
        return {"fused": True}
    return {"foreach": True} if foreach_pays(cls, parameters) else {}


def fused_is_right(cls: type[Optimizer], parameters: Iterable[Tensor]) -> bool:
    """Whether ``fused=True`` computes the same as the loop for these parameters."""
    parameters = list(parameters)
    devices = {p.device.type for p in parameters}
    if len(devices) != 1 or not devices <= {"cpu", "cuda"}:
        return False
    sharded = any(is_sharded(p) for p in parameters)
    if sharded and cls in (SGD, Adagrad):
        return False  # raises on DTensor
    if cls is Adagrad and devices != {"cpu"}:
        return False  # raises: it has no such kernel
    if cls is SGD and devices == {"cpu"} and any(p.dtype not in WIDE for p in parameters):
        return False  # skips the tail of every vector in 16 bits: pytorch #191763
    return all(p.is_floating_point() and p.layout is torch.strided and is_dense(p) for p in parameters)


def foreach_pays(cls: type[Optimizer], parameters: Iterable[Tensor]) -> bool:
    """Whether the foreach implementation is worth its temporaries: on a CPU, for many small tensors only.

    Elsewhere torch's own default already is foreach.
    """
    parameters = list(parameters)
    if not cls.__module__.startswith("torch.optim.") or cls is ASGD:  # ASGD's foreach was never faster
        return False
    if "foreach" not in inspect.signature(cls).parameters:
        return False
    plain = all(p.device.type == "cpu" and type(p) in (Tensor, torch.nn.Parameter) for p in parameters)
    floating = all(p.is_floating_point() and p.layout is torch.strided for p in parameters)
    return (
        plain and floating and len(parameters) >= MANY and sum(p.numel() for p in parameters) < SMALL * len(parameters)
    )


def keep_exact(optimizer: Optimizer, names: Mapping[Tensor, tuple[str, ...]] | None = None) -> Optimizer:
    """Keeps an optimizer right: state that does not fit is not loaded, and fused kernels get the strides they need.

    Gradients are checked after the closure, so that what the step consumes is what was checked. A gradient or a state
    with strides of its own is laid out as its parameter, a sparse gradient switches its group to the loop.

    Args:
        optimizer: of any class.
        names: of its parameters; state is matched by them.
    """
    guard(optimizer, names)
    # copies and pickles lose their hooks, and would load and be fused without a check
    itself = weakref.ref(optimizer)
    optimizer.__deepcopy__ = functools.partial(_copy, itself)  # type: ignore[attr-defined]
    optimizer.__reduce_ex__ = functools.partial(_reduced, itself)  # type: ignore[method-assign]
    if type(optimizer) in FUSED:
        # fused kernels would unscale gradients themselves, which forbids clipping; with this the GradScaler does it
        optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]  # torch's own protocol
        optimizer.register_step_pre_hook(_check_before_update)
        optimizer.register_load_state_dict_pre_hook(_remember_flags)
        optimizer.register_load_state_dict_post_hook(_restore_after_load)
    elif type(optimizer).__module__.startswith("torch.optim."):
        optimizer.register_load_state_dict_pre_hook(_remember_flags)
        optimizer.register_load_state_dict_post_hook(_restore_flags)
    return optimizer


def _copy(reference: weakref.ref[Optimizer], memo: dict[int, Any]) -> Optimizer:
    optimizer = cast("Optimizer", reference())
    twin = type(optimizer).__new__(type(optimizer))
    memo[id(optimizer)] = twin
    twin.__setstate__(copy.deepcopy(optimizer.__getstate__(), memo))
    return _named(twin, chain.from_iterable(optimizer_names(optimizer)))


def _reduced(reference: weakref.ref[Optimizer], _: Any) -> tuple[Any, ...]:
    optimizer = cast("Optimizer", reference())
    return _restored, (type(optimizer), optimizer.__getstate__(), [*chain.from_iterable(optimizer_names(optimizer))])


def _restored(cls: type[Optimizer], state: dict[str, Any], names: Iterable[tuple[str, ...]] = ()) -> Optimizer:
    """What a pickle becomes."""
    optimizer = cls.__new__(cls)
    optimizer.__setstate__(state)
    return _named(optimizer, names)


def _named(optimizer: Optimizer, names: Iterable[tuple[str, ...]]) -> Optimizer:
    parameters = (p for group in optimizer.param_groups for p in group["params"])
    return keep_exact(optimizer, {p: found for p, found in zip(parameters, names, strict=False) if found})


def _check_before_update(optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
    """Step pre-hook; ``args`` begins with the optimizer itself."""
    closure = args[1] if len(args) > 1 else kwargs.get("closure")
    if closure is None:
        lay_out(optimizer)
        return None

    def checked() -> Any:
        loss = closure()
        lay_out(optimizer)
        return loss

    return (optimizer, checked), {}


def _remember_flags(optimizer: Optimizer, _: Any) -> None:
    flags = [{flag: group[flag] for flag in FLAGS if flag in group} for group in optimizer.param_groups]
    optimizer.__dict__["_lit_optim_flags"] = flags


def _restore_flags(optimizer: Optimizer) -> None:
    """A checkpoint brings its own implementation, ``capturable`` of a GPU's say: return to that of this run."""
    for group, flags in zip(optimizer.param_groups, optimizer.__dict__.pop("_lit_optim_flags"), strict=True):
        group.update(flags)


def _restore_after_load(optimizer: Optimizer) -> None:
    """A checkpoint brings its own flags and strides: return to the flags of this run, lay the state out anew."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    right = fused_is_right(type(optimizer), parameters)
    for group, flags in zip(optimizer.param_groups, optimizer.__dict__.pop("_lit_optim_flags"), strict=True):
        group.update(flags)
        group["fused"] = group["fused"] and right
        if group["fused"]:
            for p in group["params"]:
                state = optimizer.state.get(p, {})
                if isinstance(state.get("step"), Tensor):
                    state["step"] = state["step"].to(device=p.device)  # a loop's checkpoint keeps it on the CPU
            complete_momentum(optimizer, group)
    _complete_sums(optimizer)
    lay_out_state(optimizer)


def _complete_sums(optimizer: Optimizer) -> None:
    """Gives Adagrad the state that a checkpoint lacks: torch 2.6 makes it in the constructor, not in the first step."""
    if type(optimizer) is not Adagrad:
        return
    initial = optimizer.defaults["initial_accumulator_value"]
    for group in optimizer.param_groups:
        for p in [p for p in group["params"] if not optimizer.state.get(p)]:
            optimizer.state[p] = {
                "step": torch.zeros((), device=p.device if group["fused"] else None),
                "sum": torch.full_like(
                    p, complex(initial, initial) if p.is_complex() else initial, requires_grad=False
                ),
            }

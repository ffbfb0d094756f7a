"""Choose ``fused``, ``foreach`` or the loop: the fastest implementation that is correct.

On a CPU ``fused=True`` is 3 to 9 times faster than torch's default, but silently wrong where the strides of a
parameter, its gradient and its state differ, and for SGD in 16 bits. It is chosen by a rule, and hooks keep it right.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.optim import ASGD, SGD, Adagrad, Adam, AdamW, Optimizer

from lit_optim.distributed import ORDINARY, is_sharded
from lit_optim.state_loading.load_hooks import guard
from lit_optim.state_loading.parameter_names import optimizer_names
from lit_optim.step_hooks import after_closure
from lit_optim.torch_backend.layout import WIDE, complete_momentum, is_dense, lay_out, lay_out_state

FUSED = (Adam, AdamW, SGD, Adagrad)
FLAGS = ("fused", "foreach", "capturable", "differentiable")
FOREACH_NUMEL = 8_192  # elements a tensor on average; below, the calls take the time and not the arithmetic
FOREACH_TENSORS = 8  # at least


def fastest(cls: type[Optimizer], parameters: Iterable[Tensor], given: Mapping[str, Any]) -> dict[str, bool]:
    """Return the implementation flags to construct ``cls`` with; none where the user or torch's default decides.

    Args:
        cls: optimizer class; only torch's own ones, not subclasses of them, are known to take the flags.
        parameters: all parameters it will own.
        given: keyword arguments of the user's; with an implementation flag among them, that is the choice.

    Example:
        >>> fastest(torch.optim.AdamW, [torch.zeros(2, 3)], {})
        {'fused': True}
        >>> fastest(torch.optim.SGD, [torch.zeros(2, 3, dtype=torch.bfloat16)], {})
        {}
    """
    parameters = list(parameters)
    if not parameters or any(given.get(flag) is not None for flag in FLAGS):
        return {}
    if any(is_lazy(p) for p in parameters):  # its layout is not known yet
        return {}
    if cls in FUSED and fused_is_right(cls, parameters):
        return {"fused": True}
    return {"foreach": True} if foreach_pays(cls, parameters) else {}


def fused_is_right(cls: type[Optimizer], parameters: Sequence[Tensor]) -> bool:
    """Return whether ``fused=True`` computes the same as the loop for these parameters."""
    devices = {p.device.type for p in parameters}
    if len(devices) != 1 or not devices <= {"cpu", "cuda"}:
        return False
    if cls in (SGD, Adagrad) and any(map(is_sharded, parameters)):
        return False  # raises on DTensor
    if cls is Adagrad and devices != {"cpu"}:
        return False  # raises: it has no such kernel
    if cls is SGD and devices == {"cpu"} and any(p.dtype not in WIDE for p in parameters):
        return False  # skips the tail of every vector in 16 bits: pytorch #191763
    return all(p.is_floating_point() and p.layout is torch.strided and is_dense(p) for p in parameters)


def foreach_pays(cls: type[Optimizer], parameters: Sequence[Tensor]) -> bool:
    """Return whether foreach is faster than the loop: on a CPU, for many small tensors only.

    Elsewhere torch's own default already is foreach.
    """
    if not cls.__module__.startswith("torch.optim.") or cls is ASGD:  # ASGD's foreach was never faster
        return False
    if "foreach" not in inspect.signature(cls).parameters:
        return False
    on_cpu = all(p.is_cpu and type(p) in ORDINARY for p in parameters)
    floating = all(p.is_floating_point() and p.layout is torch.strided for p in parameters)
    small = sum(p.numel() for p in parameters) < FOREACH_NUMEL * len(parameters)
    return on_cpu and floating and small and len(parameters) >= FOREACH_TENSORS


def keep_exact(optimizer: Optimizer, names: Mapping[Tensor, tuple[str, ...]] | None = None) -> Optimizer:
    """Keep an optimizer correct: reject state that does not fit, and give fused kernels the strides they need.

    Gradients are checked after the closure, so that what the step consumes is what was checked. A gradient or a state
    with other strides than its parameter is copied, a sparse gradient switches its group to the loop.

    Args:
        optimizer: of any class.
        names: of its parameters; state is matched by them.
    """
    guard(optimizer, names)
    # otherwise copies and pickles have no hooks, and load and are fused without a check
    itself = weakref.ref(optimizer)
    optimizer.__reduce_ex__ = functools.partial(_reduced, itself)  # type: ignore[method-assign]
    if type(optimizer).__module__.startswith("torch.optim."):
        optimizer.register_load_state_dict_pre_hook(_remember_flags)
        optimizer.register_load_state_dict_post_hook(_restore_after_load)
    if type(optimizer) in FUSED:
        # fused kernels would unscale gradients themselves, which forbids clipping; with this the GradScaler does it
        optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]  # torch's own protocol
        optimizer.register_step_pre_hook(_lay_out_before_update)
    return optimizer


def _reduced(reference: weakref.ref[Optimizer], _: Any) -> tuple[Any, ...]:
    optimizer = cast("Optimizer", reference())
    return restored, (type(optimizer), optimizer.__getstate__(), [*chain.from_iterable(optimizer_names(optimizer))])


def restored(cls: type[Optimizer], state: dict[str, Any], names: Iterable[tuple[str, ...]] = ()) -> Optimizer:
    """Copy or unpickle an optimizer."""
    optimizer = cls.__new__(cls)
    optimizer.__setstate__(state)
    parameters = (p for group in optimizer.param_groups for p in group["params"])
    return keep_exact(optimizer, {p: found for p, found in zip(parameters, names, strict=False) if found})


def _lay_out_before_update(optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
    """Step pre-hook: lay gradients out after the closure."""
    return after_closure(functools.partial(lay_out, optimizer), args, kwargs)


def _remember_flags(optimizer: Optimizer, _: Any) -> None:
    flags = [{flag: group[flag] for flag in FLAGS if flag in group} for group in optimizer.param_groups]
    optimizer.__dict__["_lit_optim_flags"] = flags


def _restore_after_load(optimizer: Optimizer) -> None:
    """Restore this run's implementation flags, ``capturable`` included, and adapt the loaded state's layout."""
    for group, flags in zip(optimizer.param_groups, optimizer.__dict__.pop("_lit_optim_flags"), strict=True):
        group.update(flags)
    if type(optimizer) not in FUSED:
        return
    right = fused_is_right(type(optimizer), [p for group in optimizer.param_groups for p in group["params"]])
    for group in optimizer.param_groups:
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
    """Create the state of Adagrad that a checkpoint lacks: torch 2.6 creates it in the constructor only."""
    if type(optimizer) is not Adagrad:
        return
    initial = optimizer.defaults["initial_accumulator_value"]
    for group in optimizer.param_groups:
        for p in [p for p in group["params"] if not optimizer.state.get(p)]:
            optimizer.state[p] = {
                "step": torch.zeros((), device=p.device if group["fused"] else None),
                "sum": torch.full_like(p, complex(initial, initial) if p.is_complex() else initial),
            }

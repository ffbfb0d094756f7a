"""The check before every load, on any optimizer; and the names of its parameters, which travel with its state."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, MutableMapping
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer
from torch.utils.weak import WeakTensorKeyDictionary

from lit_optim.errors import ConfigError
from lit_optim.state_loading.first_state import FirstStates
from lit_optim.state_loading.fit import fit
from lit_optim.state_loading.joint import is_joint
from lit_optim.state_loading.match import LiveParameter

REMEDY = "load what an optimizer of this class has saved for these parameters, or begin anew from the weights alone"
_NAMES = "_lit_optim_names"  # on an optimizer: the names of parameters, weakly


def guard(optimizer: Optimizer, names: Mapping[Tensor, tuple[str, ...]] | None = None) -> Optimizer:
    """Lets an optimizer load only what fits, and keep the names of its parameters in its state dict.

    Args:
        optimizer: of any class.
        names: of its parameters, and of others that may be added to it.
    """
    known: MutableMapping[Tensor, tuple[str, ...]] = WeakTensorKeyDictionary()
    known.update(names or {})
    optimizer.__dict__[_NAMES] = known
    optimizer.register_state_dict_post_hook(_write_names)
    cls = type(optimizer)
    if cls.load_state_dict is Optimizer.load_state_dict:
        optimizer._optimizer_load_state_dict_pre_hooks = _Hooks(optimizer._optimizer_load_state_dict_pre_hooks)
    elif not hasattr(cls, "checks_what_it_loads"):
        # such classes call no hooks, or read their argument again when hooks are done
        optimizer.load_state_dict = partial(_load, optimizer)  # type: ignore[method-assign]
    return optimizer


def fitted(optimizer: Optimizer, state_dict: Any, key: str = "state_dict") -> dict[str, Any]:
    """A state dict in the order of an optimizer's parameters.

    Args:
        optimizer: that is going to load it.
        state_dict: it is not changed.
        key: what the message calls it.

    Raises:
        ConfigError: with all that does not fit.
    """
    live = [
        [LiveParameter(*pair) for pair in zip(names, group["params"], strict=True)]
        for names, group in zip(names_of(optimizer), optimizer.param_groups, strict=True)
    ]
    strict = isinstance(optimizer, (Adam, AdamW, SGD, Adagrad)) or _is_known(type(optimizer))
    found, problems = fit(state_dict, live, FirstStates(optimizer), strict=strict, joint=is_joint(optimizer))
    if problems:
        *others, last = (f"{key}: {problem}" for problem in problems)
        raise ConfigError(*others, f"{last}; {REMEDY}")
    groups = zip(found["param_groups"], optimizer.param_groups, strict=True)
    moved = [beside_parameters(_named_as(group, here), here, optimizer.defaults) for group, here in groups]
    return {**found, "param_groups": moved}


def module_names(module: nn.Module) -> dict[Tensor, tuple[str, ...]]:
    """All parameters with their names, several where they are shared.

    Example:
        >>> [*module_names(nn.Linear(2, 2)).values()]
        [('weight',), ('bias',)]
    """
    found: dict[Tensor, tuple[str, ...]] = {}
    for name, p in module.named_parameters(remove_duplicate=False):
        found[p] = (*found.get(p, ()), name)
    return found


def names_of(optimizer: Optimizer) -> list[list[tuple[str, ...]]]:
    """The names of an optimizer's parameters, by group."""
    known = optimizer.__dict__.get(_NAMES, {})
    found = []
    for group in optimizer.param_groups:
        own = group.get("param_names") or [None] * len(group["params"])  # torch's, of named parameters
        pairs = zip(own, group["params"], strict=True)
        found.append([known.get(p) or ((name,) if name else ()) for name, p in pairs])
    return found


def beside_parameters(group: Mapping[str, Any], live: Mapping[str, Any], defaults: Collection[str]) -> dict[str, Any]:
    """A saved group whose tensors are on the device of the live group's parameters, but for hyper-parameters.

    Sums over parameters that a class keeps in its groups (DAdaptAdam's, say) are its state: torch and Lightning move
    only what stands in ``state``.

    Args:
        group: saved.
        live: with ``params``.
        defaults: names of hyper-parameters, which are where they were saved: an lr may be a tensor on the CPU.

    Example:
        >>> import torch
        >>> live = {"params": [torch.zeros(1, device="meta")]}
        >>> found = beside_parameters({"lr": torch.ones(()), "sum": torch.ones(1)}, live, ["lr"])
        >>> found["lr"].device.type, found["sum"].device.type
        ('cpu', 'meta')
    """
    device = next((p.device for p in live["params"]), None)
    own = {k: v.to(device) for k, v in group.items() if isinstance(v, Tensor) and k not in defaults}
    return {**group, **own}


def _named_as(group: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """A saved group with torch's ``param_names`` if the live one has them: torch takes no mixture."""
    rest = {key: value for key, value in group.items() if key != "param_names"}
    return {**rest, "param_names": live["param_names"]} if "param_names" in live else rest


def _write_names(optimizer: Optimizer, state_dict: dict[str, Any]) -> None:
    """State-dict post-hook: names stand beside the groups, not in them, where distributed checkpoints repeat them."""
    names = [[names[0] if names else "" for names in group] for group in names_of(optimizer)]
    if any(name for group in names for name in group):
        state_dict["param_names"] = names


class _Hooks(OrderedDict[int, Any]):
    """Load pre-hooks, of which the check is the last: what the others have made of a state dict is what counts."""

    def values(self) -> Any:
        """As torch calls them."""
        return [*super().values(), fitted]


def _load(optimizer: Optimizer, state_dict: Any) -> None:
    type(optimizer).load_state_dict(optimizer, fitted(optimizer, state_dict))


def _is_known(cls: type) -> bool:
    """Whether a class is torch's or ours: their first step makes all that has another shape than the parameter."""
    return cls.__module__.startswith(("torch.optim", "lit_optim."))

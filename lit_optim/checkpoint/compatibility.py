"""A checkpoint's optimizer state against the optimizer that is going to take it over."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from lit_optim.config.build.optimizer import build_on_dummy
from lit_optim.config.checks.signature import named_arguments
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import BaseFinetuning
from lit_optim.state_loading.guard import fitted, names_of
from lit_optim.state_loading.match import normal

ADVICE = "choose what wrote it, or begin a new run from the weights (load_from_checkpoint) instead of ckpt_path"

SWATS_ADVICE = "add optim_callbacks=swats"


def with_names(states: Any, names: Any) -> Any:
    """A checkpoint's ``optimizer_states``, with the names of their parameters where those who wrote them left them out.

    Args:
        states: what is not one plain state is left as it is; the list that Lightning is going to load is changed.
        names: the checkpoint's ``lit_optim.param_names``.

    Example:
        >>> with_names([{"state": {}, "param_groups": [{"params": [0]}]}], [["weight"]])[0]["param_names"]
        [['weight']]
    """
    if isinstance(states, list) and len(states) == 1 and isinstance(states[0], Mapping) and isinstance(names, list):
        own = states[0].get("param_names")
        known = isinstance(own, list) and all(isinstance(group, list) and {*map(type, group)} <= {str} for group in own)
        states[0] = {**states[0], "param_names": own if known else names}
    return states


def declared_names(checkpoint: Mapping[str, Any], names: Collection[str]) -> list[list[str]] | None:
    """The names of a checkpoint's parameters, in the order in which its module has declared them.

    Args:
        checkpoint: of a module without lit-optim, with ``optimizer_states`` and ``state_dict``.
        names: of the trainable parameters that are here.

    Returns:
        One group of names; None where there are several groups, or other parameters.

    Example:
        >>> state = {"param_groups": [{"params": [0, 1]}]}
        >>> declared_names({"optimizer_states": [state], "state_dict": {"b": 1, "a": 2, "mean": 3}}, {"a", "b"})
        [['b', 'a']]
    """
    states, weights = checkpoint.get("optimizer_states"), checkpoint.get("state_dict")
    try:
        (group,) = states[0]["param_groups"]  # type: ignore[index]  # of any file
        found = [name for name in weights if name in names]  # type: ignore[union-attr]
        return [found] if len(states) == 1 and len(found) == len(group["params"]) else None  # type: ignore[arg-type]
    except (TypeError, KeyError, ValueError, IndexError):
        return None


def check_optimizer_state(states: Any, optimizer: Optimizer) -> None:
    """Refuses a state that another class wrote, or of other parameters, before anything is loaded.

    Args:
        states: a checkpoint's ``optimizer_states``; what is not one plain state is left to its strategy.
        optimizer: as it is configured now.

    Raises:
        ConfigError: with what is there and what is here.

    Example:
        >>> import torch
        >>> layer = torch.nn.Linear(1, 1)
        >>> saved = [torch.optim.AdamW(layer.parameters()).state_dict()]
        >>> check_optimizer_state(saved, torch.optim.AdamW(layer.parameters()))
        >>> check_optimizer_state(saved, torch.optim.SGD(layer.parameters(), lr=1e-3))
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: ckpt_path: its optimizer state was not written by SGD, whose param groups have \
'momentum' too; choose what wrote it, or begin a new run from the weights (load_from_checkpoint) instead of ckpt_path
    """
    if not isinstance(states, list) or len(states) != 1:
        return
    state = states[0]
    try:
        _ = state["state"].values(), [len(group["params"]) for group in state["param_groups"]]
    except (TypeError, KeyError, AttributeError):
        raise ConfigError(f"ckpt_path: its optimizer_states are none that torch has written; {ADVICE}") from None
    cls = type(optimizer)
    if any(group.get("phase") == "sgd" for group in state["param_groups"]) and "phase" not in optimizer.defaults:
        rule = f"its optimizer has switched to SGD, and {cls.__name__} would take its lr for its own"
        raise ConfigError(f"ckpt_path: {rule}; {SWATS_ADVICE}")
    if cls.__module__.startswith("torch.optim."):
        _try_on_dummy(state, optimizer)
    fitted(optimizer, state, "ckpt_path")


def check_resumed_state(resumed: tuple[Any, Any], optimizer: Optimizer, callbacks: Iterable[Any]) -> None:
    """Check the optimizer state of a checkpoint, unless a callback puts back its param groups first.

    Args:
        resumed: the checkpoint's ``optimizer_states`` and the names of the parameters in them.
        optimizer: that is going to load them.
        callbacks: the Trainer's.

    Raises:
        ConfigError: where the state does not fit.
    """
    states = with_names(*resumed)
    if not restores_param_groups(callbacks):
        check_optimizer_state(states, optimizer)


def restores_param_groups(callbacks: Iterable[Any]) -> bool:
    """Returns whether a callback puts back a checkpoint's param groups at fit start, when a state can be checked.

    Lightning's finetuning callbacks do: before that, the optimizer has only the groups that it is configured with.
    """
    return any(isinstance(callback, BaseFinetuning) for callback in callbacks)


def check_parameter_order(checkpoint: Mapping[str, Any], names: Sequence[str], optimizer: Optimizer) -> None:
    """Refuses a whole checkpoint of sharded parameters that were declared in another order.

    Lightning numbers them by their place in the module, and names them by the place in the module that loads: states of
    equal shapes would change places.

    Args:
        checkpoint: with ``optimizer_states`` and ``lit_optim``.
        names: of all the module's parameters, in their order.
        optimizer: that has loaded it.

    Raises:
        ConfigError: with the first two names that differ.

    Example:
        >>> import torch
        >>> states = [{"param_groups": [{"params": [0, 1]}]}]
        >>> checkpoint = {"optimizer_states": states, "lit_optim": {"param_names": [["b", "a"]]}}
        >>> check_parameter_order(checkpoint, ["a", "b"], torch.optim.SGD([torch.zeros(1)]))
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: ckpt_path: its parameters were declared in another order (b in place of a), ...
    """
    states, saved = checkpoint.get("optimizer_states"), checkpoint.get("lit_optim", {}).get("param_names")
    if not (isinstance(states, list) and len(states) == 1 and isinstance(saved, list)):
        return
    places = {name: i for i, name in enumerate(names)}
    for group in names_of(optimizer):
        order = [places.get(name[0], -1) for name in group if name]
        if order != sorted(order):  # numbered by the module's order, while its names are in the optimizer's
            return
    for group, there in zip(states[0]["param_groups"], saved, strict=False):
        for i, name in zip(group["params"], there, strict=False):
            here = normal(names[i]) if isinstance(i, int) and i < len(names) else ""
            if name and normal(name) != here:
                rule = f"its parameters were declared in another order ({name} in place of {here or 'none'})"
                advice = "restore that order, or save a sharded one (save_distributed_checkpoint=True)"
                raise ConfigError(f"ckpt_path: {rule}, and a whole checkpoint numbers them by it; {advice}")


def refuse_other_class(folder: Any, optimizers: Iterable[Optimizer]) -> None:
    """Refuses a sharded checkpoint of another class, whose entries torch would miss one by one, without a word why.

    Args:
        folder: ``ckpt_path``; anything but a folder that Lightning has written is left to its strategy.
        optimizers: as they are configured now.

    Raises:
        ConfigError: with the class that wrote it, and the one that is here.
    """
    file = Path(str(folder)) / "meta.pt"
    if not file.is_file():
        return
    try:
        saved = torch.load(file, map_location="cpu", weights_only=True)["lit_optim"]["optimizers"]
    except (KeyError, TypeError, pickle.UnpicklingError):  # not ours
        return
    here = [type(optimizer).__name__ for optimizer in optimizers]
    if saved and saved != here:
        advice = SWATS_ADVICE if "SWATS" in saved else ADVICE
        rule = f"a sharded checkpoint of {', '.join(saved)} does not fit {', '.join(here)}"
        raise ConfigError(f"ckpt_path: {rule}; {advice}")


def _try_on_dummy(state: Mapping[str, Any], optimizer: Optimizer) -> None:
    cls = type(optimizer)
    taker = build_on_dummy(
        cls, **{k: v for k, v in optimizer.defaults.items() if k in named_arguments(cls, supplied=1)}
    )
    own = {key for entry in taker.state.values() for key in entry}
    try:
        taker.load_state_dict({"state": {}, "param_groups": [{**state["param_groups"][0], "params": [0]}]})
        taker.step(lambda: 0.0)
    except KeyError as error:
        rule = f"its optimizer state was not written by {cls.__name__}, whose param groups have {error} too"
        raise ConfigError(f"ckpt_path: {rule}; {ADVICE}") from None
    except Exception as error:
        raise ConfigError(f"ckpt_path: {cls.__name__} refused its param groups: {error}; {ADVICE}") from None
    saved = {key for entry in state.get("state", {}).values() for key in entry}
    if saved and own - saved:
        has, needs = ", ".join(sorted(saved)), ", ".join(sorted(own))
        rule = f"its optimizer state ({has}) was not written by {cls.__name__}, which keeps {needs}"
        raise ConfigError(f"ckpt_path: {rule}; {ADVICE}")

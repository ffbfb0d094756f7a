"""Decide whether a checkpoint can be resumed: its optimizer state against the optimizer that is to load it.

The state itself is checked by `lit_optim.state_loading.compatible_state`, as before every other load; here it is done
before a run begins, with what only a checkpoint can say: the names of parameters, their order, and the class.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from torch.optim import LBFGS, Optimizer

from lit_optim.checkpoint.values import OF_STATE, check_has_state, check_state_values
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import imported_classes
from lit_optim.optimizers.switched.group_values import TO
from lit_optim.state_loading.compatible_state import compatible_state, malformed
from lit_optim.state_loading.expected_state import FirstStates
from lit_optim.state_loading.parameter_names import saved_names
from lit_optim.state_loading.saved_param_state import own_state

ANEW = "begin a new run from the weights (load_from_checkpoint) instead of ckpt_path"
ADVICE = f"choose what wrote it, or {ANEW}"
SWATS_ADVICE = "add optim_callbacks=swats"
SWITCH_ADVICE = "add optim_callbacks=switch, as it was configured"


def name_parameters(checkpoint: Mapping[str, Any], names: Collection[str]) -> None:
    """Write the names of parameters into the optimizer state of a checkpoint, where it lacks them.

    They are those of ``lit_optim.param_names``; for a module without lit-optim, and with one param group, those of the
    weights, which are in the order in which the module has declared them.

    Args:
        checkpoint: whose ``optimizer_states`` is changed, if it is one plain state.
        names: of the trainable parameters that are here.

    Example:
        >>> states = [{"state": {}, "param_groups": [{"params": [0, 1]}]}]
        >>> name_parameters({"optimizer_states": states, "state_dict": {"b": 1, "a": 2, "mean": 3}}, {"a", "b"})
        >>> states[0]["param_names"]
        [['b', 'a']]
    """
    states = checkpoint.get("optimizer_states")
    if not isinstance(states, list) or len(states) != 1 or malformed(states[0]):
        return
    by_stamp = checkpoint.get("lit_optim", {}).get("param_names")
    declared = [[name for name in checkpoint.get("state_dict", ()) if name in names]]
    for found in (states[0].get("param_names"), by_stamp, declared):
        named = {**states[0], "param_names": found}
        if any(name for group in saved_names(named) for name in group):
            states[0] = named
            return


def check_optimizer_state(states: Any, optimizer: Optimizer) -> None:
    """Reject a state that another class wrote, or of other parameters, before anything is loaded.

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
        lit_optim.errors.ConfigError: ckpt_path: no step can be taken with its param group 0: KeyError 'momentum'; it \
was not written by SGD, whose param groups have 'momentum' too; load what an optimizer of this class has saved for \
these parameters, or begin anew from the weights alone
    """
    if not isinstance(states, list) or len(states) != 1:
        return
    if problem := malformed(states[0]):
        raise ConfigError(f"ckpt_path: its optimizer_states are none that torch has written: {problem}; {ADVICE}")
    check_phase(states[0]["param_groups"], optimizer)
    check_state_values(states[0], optimizer)
    _check_kept_keys(compatible_state(optimizer, states[0], "ckpt_path"), optimizer)


def check_resumed_states(
    states: Any, optimizers: Sequence[Optimizer], callbacks: Iterable[Any], steps: int = 0
) -> None:
    """Check the optimizer states of a checkpoint, unless a callback puts back its param groups first.

    Args:
        states: the checkpoint's ``optimizer_states``, in the order of the optimizers.
        optimizers: that are going to load them.
        callbacks: the Trainer's.
        steps: that the run has taken; several optimizers share them.

    Raises:
        ConfigError: where a state does not fit, or their number is another.
    """
    if restores_param_groups(callbacks) or not isinstance(states, list):
        return
    if not states and optimizers:
        raise ConfigError(f"ckpt_path: it holds the state of no optimizer; {OF_STATE}")
    if len(states) != len(optimizers):
        there = f"it holds the states of {len(states)} optimizers, and here are {len(optimizers)}"
        raise ConfigError(f"ckpt_path: {there}; {ADVICE}")
    for state, optimizer in zip(states, optimizers, strict=False):
        check_optimizer_state([state], optimizer)
        check_has_state(state, optimizer, steps if len(optimizers) == 1 else 0)


def check_phase(groups: Iterable[Mapping[str, Any]], optimizer: Optimizer) -> None:
    """Reject param groups from after a change of optimizer, in one that has no such phase.

    Raises:
        ConfigError: with the callback to add.
    """
    groups = [*groups]
    to = next((group[TO] for group in groups if group.get(TO)), None)
    if to is not None and TO not in optimizer.defaults:
        rule = f"its optimizer has changed to {to}, and {type(optimizer).__name__} would take its lr for its own"
        raise ConfigError(f"ckpt_path: {rule}; {SWITCH_ADVICE}")
    if any(group.get("phase") == "sgd" for group in groups) and "phase" not in optimizer.defaults:
        rule = f"its optimizer has switched to SGD, and {type(optimizer).__name__} would take its lr for its own"
        raise ConfigError(f"ckpt_path: {rule}; {SWATS_ADVICE}")


def restores_param_groups(callbacks: Iterable[Any]) -> bool:
    """Return whether a callback restores a checkpoint's param groups at fit start, where their state is checked.

    Lightning's finetuning callbacks do: before that, the optimizer has only the groups that it is configured with.
    """
    finetuning = imported_classes("callbacks.BaseFinetuning")
    return any(isinstance(callback, finetuning) for callback in callbacks)


def _check_kept_keys(state: Mapping[str, Any], optimizer: Optimizer) -> None:
    """Reject a state without the entries that torch's class keeps under its options, such as ``amsgrad``.

    A load would restore the options too, so that only a resumed run can tell that they have changed.
    """
    cls = type(optimizer)
    if not cls.__module__.startswith("torch.optim.") or cls is LBFGS:
        return
    first_state = FirstStates(optimizer)
    for saved, group in zip(state["param_groups"], optimizer.param_groups, strict=True):
        for i, p in zip(saved["params"], group["params"], strict=True):
            kept = own_state(state["state"].get(i, {}))
            if kept and (needed := first_state(group, p).required) - kept.keys():
                has, needs = ", ".join(sorted(kept)), ", ".join(sorted(needed))
                rule = f"its optimizer state ({has}) was not written by {cls.__name__}, which keeps {needs}"
                raise ConfigError(f"ckpt_path: {rule}; {ADVICE}")

"""Reject checkpoints of sharded parameters that torch would load into other places, or explain why it cannot."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from lit_optim.checkpoint.compatibility import ADVICE, SWATS_ADVICE
from lit_optim.errors import ConfigError
from lit_optim.optimizers.switched.group_values import TO
from lit_optim.state_loading.parameter_names import join_names, normalize_name, optimizer_names, saved_names

ANEW = "begin a new run from the weights (load_from_checkpoint) instead of ckpt_path"
SWITCH_ADVICE = "add optim_callbacks=switch, as it was configured"


def check_parameter_order(checkpoint: Mapping[str, Any], names: Sequence[str], optimizer: Optimizer) -> None:
    """Reject a whole checkpoint of sharded parameters that were declared in another order.

    Lightning numbers them by their place in the module, and names them by the place in the module that loads: states of
    equal shapes would change places.

    Args:
        checkpoint: with ``optimizer_states`` whose parameters have names.
        names: of all the module's parameters, in their order.
        optimizer: that has loaded it.

    Raises:
        ConfigError: with the first two names that differ.

    Example:
        >>> state = {"state": {}, "param_groups": [{"params": [0, 1]}], "param_names": [["b", "a"]]}
        >>> checkpoint = {"optimizer_states": [state]}
        >>> check_parameter_order(checkpoint, ["a", "b"], torch.optim.SGD([torch.zeros(1)]))
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: ckpt_path: its parameters were declared in another order (b in place of a), ...
    """
    if checkpoint.get("lit_optim", {}).get("optimizers") == ["Switched"] and TO not in optimizer.defaults:
        # which has the keys of two classes, so that either of them has loaded it without an error
        rule = f"a sharded checkpoint of Switched does not fit {type(optimizer).__name__}"
        raise ConfigError(f"ckpt_path: {rule}; {SWITCH_ADVICE}")
    states = checkpoint.get("optimizer_states")
    if not isinstance(states, list) or len(states) != 1:
        return
    places = {name: i for i, name in enumerate(names)}
    for group in optimizer_names(optimizer):
        order = [places.get(name[0], -1) for name in group if name]
        if order != sorted(order):  # numbered by the module's order, while its names are in the optimizer's
            return
    for group, there in zip(states[0]["param_groups"], saved_names(states[0]), strict=True):
        for i, name in zip(group["params"], there, strict=True):
            here = normalize_name(names[i]) if isinstance(i, int) and i < len(names) else ""
            if name and name != here:
                rule = f"its parameters were declared in another order ({name} in place of {here or 'none'})"
                advice = "restore that order, or save a sharded one (save_distributed_checkpoint=True)"
                raise ConfigError(f"ckpt_path: {rule}, and a whole checkpoint numbers them by it; {advice}")


def check_same_groups(saved: Any, optimizer: Optimizer) -> None:
    """Reject other param groups under a strategy that loads the values of groups by parameter, the last one counts.

    Args:
        saved: names of the parameters by group, as the checkpoint's ``lit_optim`` has them; none where it is not ours.
        optimizer: that has loaded the state.

    Raises:
        ConfigError: with the parameters that are in another group.

    Example:
        >>> from lit_optim.state_loading.load_hooks import guard
        >>> a, b = (torch.zeros(1) for _ in "ab")
        >>> optimizer = guard(torch.optim.SGD([a, b]), {a: ("a",), b: ("b",)})
        >>> check_same_groups([["a", "b", "frozen by now"]], optimizer)
        >>> check_same_groups([["a"], ["b"]], optimizer)
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: ckpt_path: its param groups are others (b), and this strategy restores ...
    """
    there = {normalize_name(name): i for i, group in enumerate(saved or ()) for name in group}
    left, right = dict[int, int](), dict[int, int]()
    moved = []
    for i, group in enumerate(optimizer_names(optimizer)):
        for name in (normalize_name(names[0]) for names in group if names):
            j = there.get(name)
            if j is not None and (left.setdefault(j, i), right.setdefault(i, j)) != (i, j):
                moved.append(name)
    if moved:
        rule = (
            f"its param groups are others ({join_names(moved)}), and this strategy restores their values as they were"
        )
        raise ConfigError(f"ckpt_path: {rule}; write param_groups as in that run, or {ANEW}")


def reject_other_class(folder: Any, optimizers: Iterable[Optimizer]) -> None:
    """Reject a sharded checkpoint of another class, for which torch only lists missing entries.

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
        advice = {"SWATS": SWATS_ADVICE, "Switched": SWITCH_ADVICE}.get(saved[0], ADVICE)
        rule = f"a sharded checkpoint of {', '.join(saved)} does not fit {', '.join(here)}"
        raise ConfigError(f"ckpt_path: {rule}; {advice}")

"""Bring the optimizer states of a checkpoint into the param groups of the optimizers that are going to load them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer

from lit_optim.errors import ConfigError
from lit_optim.state_loading.compatible_state import malformed
from lit_optim.state_loading.parameter_names import join_names, normalize_name, optimizer_names
from lit_optim.state_loading.regroup import regrouped
from lit_optim.state_loading.state_changes import RENAMED, StateChanges


def regroup_states(states: Any, optimizers: Sequence[Optimizer]) -> list[StateChanges]:
    """Replace the states by those in the groups of the optimizers, and return what differs for each.

    Args:
        states: the checkpoint's ``optimizer_states``, in the order of the optimizers; a list, changed in place. What is
            no list of as many states is left to `check_resumed_states`.
        optimizers: as they are configured.

    Raises:
        ConfigError: where no parameter is the same.

    Example:
        >>> import torch
        >>> from lit_optim.state_loading.load_hooks import guard
        >>> a, b = (torch.zeros(1, requires_grad=True) for _ in range(2))
        >>> names = {a: ("a",), b: ("b",)}
        >>> states = [guard(torch.optim.Adam([b]), names).state_dict()]
        >>> (changes,) = regroup_states(states, [guard(torch.optim.Adam([a, b]), names)])
        >>> changes.added, states[0]["param_names"]
        (['a'], [['a', 'b']])
    """
    if not isinstance(states, list) or len(states) != len(optimizers) or any(map(malformed, states)):
        return []
    changes = []
    for i, optimizer in enumerate(optimizers):
        try:
            states[i], found = regrouped(states[i], optimizer)
            if found.added and len(found.added) == sum(len(group["params"]) for group in optimizer.param_groups):
                sides = f"it has {join_names(found.removed)}, and here are {join_names(found.added)}"
                raise ConfigError(f"its optimizer state is of other parameters: {sides}; {RENAMED}")
        except ConfigError as error:
            raise ConfigError(*(f"ckpt_path: {problem}" for problem in error.problems)) from None
        changes.append(found)
    return changes


def removed_names(saved: Any, optimizer: Optimizer) -> StateChanges:
    """Return which parameters of a checkpoint an optimizer does not have.

    Args:
        saved: names of the parameters by group, as the checkpoint's ``lit_optim`` has them; none where it is not ours.
        optimizer: that has loaded the state.
    """
    here = {normalize_name(name) for group in optimizer_names(optimizer) for names in group for name in names}
    there = [normalize_name(name) for group in saved or () for name in group if name]
    return StateChanges(removed=[name for name in there if here and name not in here])

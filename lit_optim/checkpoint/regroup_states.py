"""Bring the optimizer states of a checkpoint into the param groups of the optimizers that are going to load them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch.optim import Optimizer

from lit_optim.checkpoint.compatibility import restores_param_groups
from lit_optim.errors import ConfigError
from lit_optim.state_loading.compatible_state import malformed
from lit_optim.state_loading.regroup import regrouped
from lit_optim.state_loading.state_changes import StateChanges


def regroup_states(states: Any, optimizers: Sequence[Optimizer], callbacks: Iterable[Any] = ()) -> list[StateChanges]:
    """Replace the states by those in the groups of the optimizers, and return what differs for each.

    Args:
        states: the checkpoint's ``optimizer_states``, in the order of the optimizers; a list, changed in place. What is
            no list of as many states is left to `check_resumed_states`.
        optimizers: as they are configured, each of the class that its state is of.
        callbacks: the Trainer's; where one restores the groups itself, nothing is done.

    Raises:
        ConfigError: where the class keeps one state for all parameters, and they have changed.

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
    fits = isinstance(states, list) and len(states) == len(optimizers) and not any(map(malformed, states))
    if not fits or restores_param_groups(callbacks):
        return []
    changes = []
    for i, optimizer in enumerate(optimizers):
        try:
            states[i], found = regrouped(states[i], optimizer)
        except ConfigError as error:
            raise ConfigError(*(f"ckpt_path: {problem}" for problem in error.problems)) from None
        changes.append(found)
    return changes

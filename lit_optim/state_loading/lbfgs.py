"""Check the state of LBFGS, kept at its first parameter in vectors over all parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import LBFGS

from lit_optim.errors import ConfigError
from lit_optim.state_loading.expected_state import FirstState
from lit_optim.state_loading.saved_param_state import loadable_state, own_state

KEYS = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")  # once it has iterated


def check_lbfgs_state(optimizer: LBFGS, saved: Mapping[str, Any], matched: Mapping[str, Any]) -> None:
    """Reject a state that LBFGS did not write, or with another order of parameters or number of elements.

    Args:
        optimizer: that is going to load it.
        saved: its state dict.
        matched: the same in the order of the optimizer's parameters.

    Raises:
        ConfigError: with the first problem.
    """
    state, ((first, *others),) = matched["state"], [group["params"] for group in matched["param_groups"]]
    if not state:
        return
    if [first, *others] != [*saved["param_groups"][0]["params"]]:
        raise ConfigError("its parameters were in another order, which the state of LBFGS follows; restore that order")
    if any(own_state(state.get(i, {})) for i in others):
        raise ConfigError("it is no state of LBFGS, which has one entry, of its first parameter")
    parameters = optimizer.param_groups[0]["params"]
    size = sum(2 * p.numel() if p.is_complex() else p.numel() for p in parameters)
    dtype = parameters[0].dtype.to_real() if parameters[0].is_complex() else parameters[0].dtype
    entry = own_state(state.get(first, {}))
    expected = FirstState(None, frozenset(KEYS if entry.get("n_iter") else ()))
    loadable_state(entry, expected, torch.empty((), dtype=dtype).expand(size), strict=True)

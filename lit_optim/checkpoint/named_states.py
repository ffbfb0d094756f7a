"""Bring what a checkpoint holds of several optimizers into the order of those that load it, by their names."""

from __future__ import annotations

from typing import Any

from lit_optim.config.read.named_specs import specs_by_name
from lit_optim.errors import ConfigError

LISTS = ("optimizer_states", "lr_schedulers")  # Lightning's keys: one entry for each optimizer
ADVICE = "name them as they were, or begin a new run from the weights (load_from_checkpoint) instead of ckpt_path"


def order_by_name(checkpoint: dict[str, Any], spec: Any) -> None:
    """Put the states of a checkpoint's optimizers into the order of the configured names.

    Args:
        checkpoint: whose lists are replaced; one that lit-optim has not written is left as it is.
        spec: of the optimizers that are going to load it.

    Raises:
        ConfigError: where the names differ.

    Example:
        >>> stamp = {"spec": {"optimizer": {"a": {"_target_": "sgd"}, "b": {"_target_": "sgd"}}}}
        >>> checkpoint = {"lit_optim": stamp, "optimizer_states": ["state of a", "state of b"]}
        >>> order_by_name(checkpoint, {"b": "sgd", "a": "sgd"}); checkpoint["optimizer_states"]
        ['state of b', 'state of a']
    """
    saved = checkpoint.get("lit_optim", {}).get("spec", {}).get("optimizer")
    if not saved:
        return
    there, here = ([*(specs_by_name(each) or ())] for each in (saved, spec))
    if sorted(there) != sorted(here):
        names = [", ".join(found) if found else "one without a name" for found in (there, here)]
        raise ConfigError(f"ckpt_path: its optimizers are {names[0]}, and here are {names[1]}; {ADVICE}")
    order = [there.index(name) for name in here]
    for key in LISTS:
        if isinstance(entries := checkpoint.get(key), list) and len(entries) == len(order):
            checkpoint[key] = [entries[i] for i in order]
    for state in checkpoint.get("callbacks", {}).values():  # of the gradient noise
        if isinstance(state, dict) and isinstance(steps := state.get("steps"), list) and len(steps) == len(order):
            state["steps"] = [steps[i] for i in order]

"""A checkpoint in which evaluation weights and live weights have changed places: dictionaries only, nothing is copied.

``state_dict`` holds what was evaluated, so that whoever loads it needs no plugin; the live weights travel in the state
of the optimizer that trains them, by parameter, under ``live_while_slow`` and the like - the only place that every
strategy saves and restores by itself, shards included.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from lit_optim.averaging.shadow_weights import ShadowWeights
from lit_optim.distributed import is_sharded

COMPILED = "_orig_mod."  # in names of parameters under torch.compile; distributed checkpoints leave it out


def exchange_in_checkpoint(checkpoint: dict[str, Any], index: int, follower: ShadowWeights, module: nn.Module) -> None:
    """Puts the evaluation weights of one optimizer into ``state_dict``, and the live ones into its saved state.

    Args:
        checkpoint: as Lightning has collected it, on every rank.
        index: of the optimizer among ``optimizer_states``.
        follower: knows its evaluation weights.
        module: whose parameters it trains.
    """
    weights: dict[str, Any] = checkpoint["state_dict"]
    states: dict[Any, Any] = checkpoint["optimizer_states"][index].get("state", {})  # none on ranks that do not write
    computed = follower.computed()
    for p, place, names in list(_places(module, follower.optimizer, states)):
        value = _as_saved(computed[p], weights) if p in computed else None
        entry = states.get(place, {})
        second = entry.get(follower.key, value)
        found = _known(names, weights)
        if second is None or not found or not entry:
            continue
        kept = {k: v for k, v in entry.items() if k != follower.key}
        # a dictionary of its own: this one may be the optimizer's
        states[place] = {**kept, follower.live: weights[found[0]]}
        weights.update(dict.fromkeys(found, second))


def evaluated_in_checkpoint(checkpoint: dict[str, Any], follower: ShadowWeights, module: nn.Module) -> None:
    """Puts the evaluation weights into ``state_dict`` of a checkpoint that holds no optimizer."""
    weights: dict[str, Any] = checkpoint["state_dict"]
    names = _names(module)
    for p, value in follower.evaluated().items():
        saved = _as_saved(value, weights)
        weights.update(dict.fromkeys(_known(names.get(p, []), weights), saved))


def _places(module: nn.Module, optimizer: Optimizer, states: dict[Any, Any]) -> Iterator[tuple[Tensor, Any, list[str]]]:
    """Every parameter with its key in a saved state, and its names in the module.

    The key is its name in sharded checkpoints, its place among the module's parameters in whole ones of sharded
    parameters, and its place among the optimizer's in all others.
    """
    names = _names(module)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    by_name = any(isinstance(key, str) for key in states)
    sharded = any(is_sharded(p) for p in parameters)
    order = {p: i for i, p in enumerate(module.parameters() if sharded else parameters)}
    for p in parameters:
        if p in names:
            yield p, names[p][0].replace(COMPILED, "") if by_name else order[p], names[p]


def _names(module: nn.Module) -> dict[Tensor, list[str]]:
    names: dict[Tensor, list[str]] = {}
    for name, p in module.named_parameters(remove_duplicate=False):
        names.setdefault(p, []).append(name)
    return names


def _known(names: list[str], weights: dict[str, Any]) -> list[str]:
    """The names as the state dict has them; none of what it leaves out."""
    spelled = [name if name in weights else name.replace(COMPILED, "") for name in names]
    return [name for name in spelled if name in weights]


def _as_saved(value: Any, weights: dict[str, Any]) -> Any:
    """A sharded tensor as it is in sharded checkpoints, and gathered (by all ranks) in whole ones."""
    if not hasattr(value, "full_tensor") or any(hasattr(other, "full_tensor") for other in weights.values()):
        return value
    return value.full_tensor().cpu()

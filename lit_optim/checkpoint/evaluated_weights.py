"""Put the evaluated weights into a checkpoint's ``state_dict``, and the live ones into its optimizer state.

``state_dict`` can then be loaded and evaluated without lit-optim. The live weights stand in the optimizer state, by
parameter, under ``live_while_slow`` and the like: every strategy saves and restores them there, also sharded ones. Only
dictionaries change, no tensor is copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from lit_optim.averaging.shadow_weights import ShadowWeights
from lit_optim.distributed import is_sharded
from lit_optim.state_loading.parameter_names import module_names, normalize_name


def swap_in_checkpoint(checkpoint: dict[str, Any], index: int, shadow: ShadowWeights, module: nn.Module) -> None:
    """Exchange the live weights in ``state_dict`` for the evaluation weights in an optimizer's saved state.

    Args:
        checkpoint: as Lightning has collected it, on every rank.
        index: of the optimizer among ``optimizer_states``.
        shadow: the shadow weights of that optimizer.
        module: whose parameters it trains.
    """
    weights: dict[str, Any] = checkpoint["state_dict"]
    states: dict[Any, Any] = checkpoint["optimizer_states"][index].get("state", {})  # none on ranks that do not write
    computed = shadow.computed()
    for p, key, names in list(_saved_keys(module, shadow, states)):
        value = _as_saved(computed[p], weights) if p in computed else None  # gathers: on all ranks, saved or not
        entry = states.get(key, {})
        second = entry.get(shadow.key, value)
        found = _in_state_dict(names, weights)
        if second is None or not found or not entry:
            continue
        if shadow.live in entry and shadow.key in entry:
            continue  # the parameters hold them already
        live = weights[found[0]]
        kept = {k: v for k, v in entry.items() if k != shadow.key or second.dtype != live.dtype}
        states[key] = {**kept, shadow.live: live}  # a new dictionary: this may be the optimizer's
        weights.update(dict.fromkeys(found, second.to(live.dtype)))


def evaluated_in_checkpoint(checkpoint: dict[str, Any], shadow: ShadowWeights, module: nn.Module) -> None:
    """Put the evaluation weights into ``state_dict`` of a checkpoint that holds no optimizer."""
    weights: dict[str, Any] = checkpoint["state_dict"]
    names = module_names(module)
    for p, value in shadow.evaluated().items():
        saved = _as_saved(value, weights)
        weights.update(dict.fromkeys(_in_state_dict(names.get(p, ()), weights), saved))


def _saved_keys(
    module: nn.Module, shadow: ShadowWeights, states: dict[Any, Any]
) -> Iterator[tuple[Tensor, Any, tuple[str, ...]]]:
    """Yield every parameter with its key in a saved state, and its names in the module.

    The key is its name in sharded checkpoints, its place among the module's parameters in whole ones of sharded
    parameters, and its place among the optimizer's in all others.
    """
    names = module_names(module)
    parameters = [p for group in shadow.optimizer.param_groups for p in group["params"]]
    by_name = any(isinstance(key, str) for key in states)
    sharded = any(is_sharded(p) for p in parameters)
    order = {p: i for i, p in enumerate(module.parameters() if sharded else parameters)}
    for p in parameters:
        if p in names:
            yield p, normalize_name(names[p][0]) if by_name else order[p], names[p]


def _in_state_dict(names: Sequence[str], weights: dict[str, Any]) -> list[str]:
    """Return the names that are in the state dict, in its spelling."""
    spelled = [name if name in weights else normalize_name(name) for name in names]
    return [name for name in spelled if name in weights]


def _as_saved(value: Any, weights: dict[str, Any]) -> Any:
    """Gather a sharded tensor on all ranks, unless the checkpoint is sharded."""
    if not is_sharded(value) or any(map(is_sharded, weights.values())):
        return value
    return value.full_tensor().cpu()

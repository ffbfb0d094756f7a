"""Find the saved parameter of each live one: by name where both sides know the names, else by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from lit_optim.errors import ConfigError
from lit_optim.state_loading.parameter_names import join_names, normalize_name, saved_names

DDP = "module."
Saved = list[list[str | None]]  # names by group
Live = list[list[tuple[str, ...]]]


class LiveParameter(NamedTuple):
    """A parameter of the optimizer that loads.

    Attributes:
        names: in its module, all of them where it is shared; none where they are unknown.
        tensor: the parameter itself.
    """

    names: tuple[str, ...]
    tensor: Tensor


def match(saved: Mapping[str, Any], live: Sequence[Sequence[LiveParameter]]) -> list[dict[str, Any]]:
    """Bring the param groups of a saved state dict, and the ids in their ``params``, into the order of the live ones.

    Args:
        saved: a state dict; its ``param_names`` are lists of names by group, as are torch's own in each group.
        live: the parameters, by group.

    Returns:
        New dictionaries, without torch's ``param_names``.

    Raises:
        ConfigError: with the names or the sizes of groups that differ.

    Example:
        >>> import torch
        >>> a, b = LiveParameter(("a",), torch.zeros(1)), LiveParameter(("b",), torch.zeros(2))
        >>> saved = {"param_groups": [{"lr": 0.1, "params": [0, 1]}], "param_names": [["b", "a"]]}
        >>> match(saved, [[a, b]])
        [{'lr': 0.1, 'params': [1, 0]}]
        >>> match({**saved, "param_names": [["b", "c"]]}, [[a, b]])
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: its parameters have other names: c only in the state, a only in the model
    """
    groups = [{k: v for k, v in group.items() if k != "param_names"} for group in saved["param_groups"]]
    there = without_ddp(saved_names(saved), [name for group in live for p in group for name in p.names])
    here = [[tuple(map(normalize_name, p.names)) for p in group] for group in live]
    known = [name for group in there for name in group]
    by_name = any(isinstance(i, str) for group in groups for i in group["params"])
    if all(known) and len(set(known)) == len(known) and all(names for group in here for names in group):
        try:
            return _match_names(groups, there, here)
        except ConfigError:
            if not by_name:  # torch has matched such ids with the names of the model already
                raise
    return _match_positions(groups, [[None] * len(group) for group in there] if by_name else there, here)


def without_ddp(there: Saved, here: Sequence[str]) -> Saved:
    """Return saved names with or without the ``module.`` of DistributedDataParallel, as the live ones have it."""
    known = [name for group in there for name in group if name]
    if not known or not here:
        return there
    saved, live = (all(normalize_name(name).startswith(DDP) for name in names) for names in (known, here))
    if saved == live:
        return there
    return [[name and (name.removeprefix(DDP) if saved else DDP + name) for name in group] for group in there]


def _match_names(groups: list[dict[str, Any]], there: Saved, here: Live) -> list[dict[str, Any]]:
    known = {name for group in there for name in group}
    wanted = [[next((name for name in names if name in known), None) for names in group] for group in here]
    used = {name for group in wanted for name in group}
    gone = [name for group in there for name in group if name and name not in used]
    flat = [pair for names, found in zip(here, wanted, strict=True) for pair in zip(names, found, strict=True)]
    new = [names[0] for names, found in flat if found is None]
    if gone or new or len(used) != len(flat):
        sides = ((gone, "state"), (new, "model"))
        parts = [f"{join_names(names)} only in the {side}" for names, side in sides if names]
        raise ConfigError(f"its parameters have other names: {', '.join(parts) or 'two of the model are one there'}")
    left = {i: set(group) for i, group in enumerate(there)}
    matched = []
    for names in wanted:
        source = next((i for i, group in left.items() if group == set(names)), None)
        if source is None:
            raise ConfigError(_other_groups(there, here))
        del left[source]
        ids = dict(zip(there[source], groups[source]["params"], strict=True))
        matched.append({**groups[source], "params": [ids[name] for name in names]})
    if left:
        raise ConfigError(_other_groups(there, here))
    return matched


def _match_positions(groups: list[dict[str, Any]], there: Saved, here: Live) -> list[dict[str, Any]]:
    if [*map(len, there)] != [*map(len, here)]:
        raise ConfigError(_other_groups(there, here))
    pairs = [pair for saved, live in zip(there, here, strict=True) for pair in zip(saved, live, strict=True)]
    other = [f"{saved} in place of {names[0]}" for saved, names in pairs if saved and names and saved not in names]
    places = {name: i for i, (_, names) in enumerate(pairs) for name in names}
    other += [f"{saved} in another place" for i, (saved, _) in enumerate(pairs) if saved and places.get(saved, i) != i]
    if other:
        raise ConfigError(f"its parameters have other names: {join_names(other)}")
    return groups


def _other_groups(there: Saved, here: Live) -> str:
    sizes = f"its optimizer has {[*map(len, there)]} parameters in its param groups, and this one {[*map(len, here)]}"
    place = {name: i for i, group in enumerate(there) for name in group if name}
    moved = [n[0] for i, group in enumerate(here) for n in group if n and place.get(n[0], i) != i]
    return f"{sizes} (in other groups: {join_names(moved)})" if moved else sizes

"""Which saved parameter each live one is: by name where both sides know the names, else by position."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

WRAPPERS = re.compile(r"(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
DDP = "module."
SHOWN = 5  # names in a message


class LiveParameter(NamedTuple):
    """A parameter of the optimizer that loads.

    Attributes:
        names: in its module, all of them where it is shared; none where they are unknown.
        tensor: the parameter itself.
    """

    names: tuple[str, ...]
    tensor: Tensor


class Match(NamedTuple):
    """Saved param groups in the order of the live ones, with the ids of ``params`` in theirs.

    Attributes:
        groups: new dictionaries.
        problems: why there is no match.
        reordered: whether any parameter has changed its place.
    """

    groups: list[dict[str, Any]]
    problems: list[str]
    reordered: bool = False


def match(saved: Mapping[str, Any], live: Sequence[Sequence[LiveParameter]]) -> Match:
    """Matches the parameters of a saved state dict with the live ones.

    Args:
        saved: a state dict; its ``param_names`` are lists of names by group, as are torch's own in each group.
        live: the parameters, by group.

    Example:
        >>> import torch
        >>> a, b = LiveParameter(("a",), torch.zeros(1)), LiveParameter(("b",), torch.zeros(2))
        >>> saved = {"param_groups": [{"lr": 0.1, "params": [0, 1]}], "param_names": [["b", "a"]]}
        >>> match(saved, [[a, b]]).groups
        [{'lr': 0.1, 'params': [1, 0]}]
        >>> match({**saved, "param_names": [["b", "c"]]}, [[a, b]]).problems
        ['its parameters have other names: c only in the state, a only in the model']
    """
    groups = [dict(group) for group in saved["param_groups"]]
    there = _without_ddp(saved_names(saved), [name for group in live for p in group for name in p.names])
    aliases = [[tuple(map(normal, p.names)) for p in group] for group in live]
    known = [name for group in there for name in group]
    by_fqn = any(isinstance(i, str) for group in groups for i in group["params"])
    if all(known) and len(set(known)) == len(known) and all(names for group in aliases for names in group):
        matched = _by_name(groups, there, aliases)
        if not (matched.problems and by_fqn):  # torch has matched those names with the model's already
            return matched
    return _by_position(groups, [[None] * len(group) for group in there] if by_fqn else there, aliases)


def saved_names(saved: Mapping[str, Any]) -> list[list[str | None]]:
    """The names of a saved state dict by group, None where unknown.

    Ids that are names, as in distributed checkpoints, come first; then ``param_names`` of a group (torch's), then
    ``param_names`` of the state dict (ours).
    """
    groups = saved["param_groups"]
    ours = saved.get("param_names")
    ours = ours if isinstance(ours, (list, tuple)) and len(ours) == len(groups) else [None] * len(groups)
    found: list[list[str | None]] = []
    for group, own in zip(groups, ours, strict=True):
        ids = group["params"]
        given = next((n for n in (group.get("param_names"), own) if _are_names(n, len(ids))), None)
        names: list[str | None] = list(given) if given else [None] * len(ids)
        found.append([normal(i) if isinstance(i, str) else n and normal(n) for i, n in zip(ids, names, strict=True)])
    return found


def normal(name: str) -> str:
    """A name without what ``torch.compile`` and wrappers put into it.

    Example:
        >>> normal("_orig_mod.layer._checkpoint_wrapped_module.weight")
        'layer.weight'
    """
    return WRAPPERS.sub("", name)


def listed(names: Sequence[str]) -> str:
    """Some names, and how many more there are.

    Example:
        >>> listed(list("abcdefg"))
        'a, b, c, d, e and 2 more'
    """
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _are_names(names: Any, length: int) -> bool:
    return isinstance(names, (list, tuple)) and len(names) == length and all(isinstance(n, str) for n in names)


def _without_ddp(there: list[list[str | None]], here: Sequence[str]) -> list[list[str | None]]:
    """Saved names with or without the ``module.`` of DistributedDataParallel, as the live ones have it."""
    known = [name for group in there for name in group if name]
    if not known or not here:
        return there
    saved, live = (all(normal(name).startswith(DDP) for name in names) for names in (known, here))
    if saved and not live:
        return [[name and name.removeprefix(DDP) for name in group] for group in there]
    return [[name and DDP + name for name in group] for group in there] if live and not saved else there


def _by_name(groups: list[dict[str, Any]], there: Any, aliases: list[list[tuple[str, ...]]]) -> Match:
    places = {name: (i, k) for i, group in enumerate(there) for k, name in enumerate(group)}
    found = [[next((places[n] for n in names if n in places), None) for names in group] for group in aliases]
    used = {place for group in found for place in group}
    gone = [name for name, place in places.items() if place not in used]
    flat = [pair for group, at in zip(aliases, found, strict=True) for pair in zip(group, at, strict=True)]
    new = [names[0] for names, place in flat if place is None]
    if gone or new or len(used) != len(flat):
        parts = [f"{listed(names)} only in the {where}" for names, where in ((gone, "state"), (new, "model")) if names]
        return Match([], [f"its parameters have other names: {', '.join(parts) or 'two of the model are one there'}"])
    order: list[int] = []
    empty = iter([i for i, group in enumerate(there) if not group])
    for places_of_group in found:
        sources = {place[0] for place in places_of_group if place}
        source = next(empty, -1) if not sources else sources.pop()
        if sources or source < 0 or len(there[source]) != len(places_of_group):
            return Match([], [_other_groups(there, aliases)])
        order.append(source)
    if len(order) != len(groups):
        return Match([], [_other_groups(there, aliases)])
    matched = [
        _reordered(groups[source], [place[1] for place in at if place]) for source, at in zip(order, found, strict=True)
    ]
    moved = [place for at in found for place in at] != [(i, k) for i, g in enumerate(aliases) for k in range(len(g))]
    return Match(matched, [], moved)


def _reordered(group: dict[str, Any], order: list[int]) -> dict[str, Any]:
    """A saved group with its ids, and torch's names of them, in another order."""
    names = group.get("param_names")
    again = {"params": [group["params"][k] for k in order]}
    if _are_names(names, len(order)):
        again["param_names"] = [names[k] for k in order]  # type: ignore[index]  # they are a list
    return {**group, **again}


def _by_position(groups: list[dict[str, Any]], there: Any, aliases: list[list[tuple[str, ...]]]) -> Match:
    if [*map(len, there)] != [*map(len, aliases)]:
        return Match([], [_other_groups(there, aliases)])
    pairs = [pair for one, other in zip(there, aliases, strict=True) for pair in zip(one, other, strict=True)]
    other = [f"{saved} in place of {names[0]}" for saved, names in pairs if saved and names and saved not in names]
    places = {name: i for i, (_, names) in enumerate(pairs) for name in names}
    other += [f"{saved} in another place" for i, (saved, _) in enumerate(pairs) if saved and places.get(saved, i) != i]
    problems = [f"its parameters have other names: {listed(other)}"] if other else []
    return Match(groups, problems)


def _other_groups(there: Any, aliases: list[list[tuple[str, ...]]]) -> str:
    sizes = (
        f"its optimizer has {[*map(len, there)]} parameters in its param groups, and this one {[*map(len, aliases)]}"
    )
    place = {name: i for i, group in enumerate(there) for name in group if name}
    moved = [n[0] for i, group in enumerate(aliases) for n in group if n and place.get(n[0], i) != i]
    return f"{sizes} (in other groups: {listed(moved)})" if moved else sizes

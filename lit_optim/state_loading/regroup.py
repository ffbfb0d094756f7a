"""Bring a saved state dict into the param groups of the optimizer that loads it, by the names of both."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.optim import LBFGS, Optimizer

from lit_optim.errors import ConfigError
from lit_optim.state_loading.compatible_state import malformed
from lit_optim.state_loading.match_by_name import without_ddp
from lit_optim.state_loading.parameter_names import normalize_name, optimizer_names, saved_names
from lit_optim.state_loading.state_changes import StateChanges

OWN = ("params", "param_names", "name", "part")  # keys of a group that are always those of the live one
SCHEDULERS = ("max_lr", "min_lr", "base_momentum", "max_momentum", "swa_lr", "scheduled")  # keys that schedulers add
INITIAL = "initial_"
DEFAULT = "default"
COUNTS = ("step", "k")  # of classes that count steps by group

Group = Mapping[str, Any]


def regrouped(saved: Any, optimizer: Optimizer) -> tuple[dict[str, Any], StateChanges]:
    """Return a saved state dict in the groups of an optimizer, and what differs; nothing is changed.

    The state of a parameter goes by its name. A live group takes the values of the saved one of its name, else of the
    one with the same parameters, else, without names, of the one at its place. A new group keeps the values that it was
    built with, where the schedule of its parameters is. Counters that a class keeps in groups (``step``, Prodigy's
    ``d``) go with the parameters. Where parameters have no names, nothing is regrouped.

    Args:
        saved: a state dict of an optimizer of this class.
        optimizer: that is going to load it; its ``load_state_dict`` judges the result.

    Raises:
        ConfigError: for what is no state dict.

    Example:
        >>> import torch
        >>> from lit_optim.state_loading.load_hooks import guard
        >>> b = torch.zeros(2)
        >>> here = guard(torch.optim.SGD([{"params": [b], "name": "bias"}], lr=0.1), {b: ("b",)})
        >>> groups = [{"lr": 0.2, "name": "default", "params": [0, 1]}, {"lr": 0.3, "name": "bias", "params": []}]
        >>> there = {"state": {1: {"step": 5}}, "param_groups": groups, "param_names": [["a", "b"], []]}
        >>> state, changes = regrouped(there, here)
        >>> state["state"], state["param_groups"][0]["lr"], changes.removed, changes.moved
        ({0: {'step': 5}}, 0.3, ['a'], {'b': ('default', 'bias')})
    """
    if problem := malformed(saved):
        raise ConfigError(problem)
    old, new = saved["param_groups"], optimizer.param_groups
    here = [[tuple(map(normalize_name, names)) for names in group] for group in optimizer_names(optimizer)]
    there = without_ddp(saved_names(saved), [name for group in here for names in group for name in names])
    ids = [i for group in old for i in group["params"]]
    known = [name for group in there for name in group if name]
    named = len({*known}) == len(ids) and all(names for group in here for names in group)
    if not named or any(isinstance(i, int) for i in saved["state"].keys() - {*ids}):  # left to the check at the load
        return dict(saved), StateChanges()
    place = {name: i for i, group in enumerate(there) for name in group}
    wanted = [[next((name for name in names if name in place), names[0]) for names in group] for group in here]
    sources = _sources(old, there, new, wanted)
    changes = _changes(old, there, new, wanted, sources)
    if isinstance(optimizer, LBFGS) and {*wanted[0]} != {*known}:  # its state is one of all parameters
        changes.restarted = [name for name in wanted[0] if name in place]
    going = dict(zip(known, ids, strict=True))
    for name in changes.restarted:
        del going[name]
    groups: list[dict[str, Any]] = []
    state: dict[Any, Any] = {}
    for live, names, source in zip(new, wanted, sources, strict=True):
        first = sum(len(group["params"]) for group in groups)
        params = names if any(isinstance(i, str) for i in ids) else [*range(first, first + len(names))]
        kept = [(i, name) for i, name in zip(params, names, strict=True) if name in going]
        alike = [group for group in old if group.get("part") == live.get("part")] if source is None else [old[source]]
        group, mixed = _group(live, alike, [old[place[name]] for _, name in kept], optimizer, is_new=source is None)
        if kept and {*COUNTS} & group.keys() and not hasattr(_owner(live, optimizer), "counters"):
            changes.joined += [name for name in names if name not in place]
        changes.mixed_counters += [_labels(new)[len(groups)]] * mixed
        groups.append({**group, "params": params})
        state.update({i: saved["state"][going[name]] for i, name in kept if going[name] in saved["state"]})
    others = {key: saved["state"][key] for key in saved["state"].keys() - {*ids}}
    return {**saved, "state": {**state, **others}, "param_groups": groups, "param_names": wanted}, changes


def _sources(
    old: Sequence[Group], there: Sequence[Sequence[Any]], new: Sequence[Group], here: Sequence[Sequence[str]]
) -> list[int | None]:
    """Return which saved group each live one continues, None for a new one."""
    names, wanted = ([_name(group, groups) for group in groups] for groups in (old, new))
    found = [names.index(name) if name and name in names else None for name in wanted]
    if all(names) and all(wanted):
        return found
    left = {i: {*group} for i, group in enumerate(there) if i not in found}
    for i, group in enumerate(here):
        same = next((j for j, members in left.items() if members == {*group}), None)
        if found[i] is None and same is not None:
            found[i] = same
            del left[same]
    if len(old) == len(new):
        return [i if source is None and i in left else source for i, source in enumerate(found)]
    return found


def _changes(
    old: Sequence[Group],
    there: Sequence[Sequence[Any]],
    new: Sequence[Group],
    here: Sequence[Sequence[str]],
    sources: Sequence[int | None],
) -> StateChanges:
    place = {name: i for i, group in enumerate(there) for name in group}
    pairs = [(name, i) for i, group in enumerate(here) for name in group]
    moved = {name: i for name, i in pairs if name in place and place[name] != sources[i]}
    parts = {group.get("part") for group in new}
    before, after = _labels(old), _labels(new)
    places = ((name, old[place[name]].get("part"), new[i].get("part")) for name, i in moved.items())
    now = dict(pairs)
    return StateChanges(
        added=[name for name, _ in pairs if name not in place],
        removed=[name for name in place if name not in now],
        moved={name: (before[place[name]], after[i]) for name, i in moved.items()},
        restarted=[name for name, part, other in places if part != other and part in parts],
        new_groups=[name for name, source in zip(after, sources, strict=True) if source is None],
        lost_groups=[name for i, name in enumerate(before) if i not in sources],
    )


def _group(
    live: Group, saved: Sequence[Group], origins: Sequence[Group], optimizer: Optimizer, *, is_new: bool
) -> tuple[dict[str, Any], bool]:
    """Return the values of a live group in a saved state, and whether its parameters had unequal counters.

    Args:
        live: the group.
        saved: the one that it continues; for a new one, all of its class.
        origins: the saved group of each of its parameters.
        optimizer: of the live group.
        is_new: whether it continues none.
    """
    owner = _owner(live, optimizer)
    counters = {id(group): _counters(group, live, owner) for group in {id(group): group for group in origins}.values()}
    ignored = getattr(owner, "of_last_step", ())
    counts = [repr([v for k, v in counters[id(group)].items() if k not in ignored]) for group in origins]
    origin = origins[counts.index(Counter(counts).most_common(1)[0][0])] if origins else None
    if origin is None and getattr(owner, "shares_counters", False):
        origin = next(iter(saved), None)
    like = origin if is_new and origin is not None else next(iter(saved), live)
    # where another class has written the state, the keys that its groups lack show it to the check at the load
    values = {key: value for key, value in live.items() if key in like or key not in owner.defaults}
    if not is_new:
        of_class = _counters(like, live, owner)
        values.update({key: value for key, value in like.items() if key not in OWN and key not in of_class})
    if origin is not None:
        values.update(_counters(origin, live, owner))
        scale = owner.lr_scale(origin) if hasattr(owner, "lr_scale") else 1.0
        values.update(_scheduled(live, origin, scale) if is_new else {})
    return values, len({*counts}) > 1


def _counters(group: Group, live: Group, owner: Optimizer) -> dict[str, Any]:
    """Return the values of a saved group that its class has counted or estimated: they are no arguments of it."""
    arguments = (*inspect.signature(type(owner)).parameters, *OWN, *SCHEDULERS)
    found = {key: value for key, value in group.items() if key not in arguments and not key.startswith(INITIAL)}
    return {key: value for key, value in found.items() if key in owner.defaults or key not in live}


def _scheduled(live: Group, origin: Group, lr_scale: float = 1.0) -> dict[str, Any]:
    """Return the scheduled values of a new group: its initial ones, and these times the factor of the saved group.

    Args:
        live: the group.
        origin: the saved one.
        lr_scale: what its class has multiplied the lr with.

    Example:
        >>> _scheduled({"lr": 0.5}, {"lr": 0.1, "initial_lr": 0.2})
        {'lr': 0.25, 'initial_lr': 0.5}
    """
    found = {"lr": live["lr"] * lr_scale} if "lr" in live else {}
    for key, before in origin.items():
        name = key.removeprefix(INITIAL)
        numbers = (live.get(name), before, origin.get(name))
        if key.startswith(INITIAL) and all(isinstance(value, (int, float, Tensor)) for value in numbers):
            found[key] = live.get(key, live[name]) * (lr_scale if name == "lr" else 1.0)
            found[name] = found[key] * (origin[name] / before if before else 1.0)
    return found


def _owner(group: Group, optimizer: Optimizer) -> Optimizer:
    """Return the optimizer of a group: a composite has several."""
    owner: Optimizer = getattr(optimizer, "parts", {}).get(group.get("part"), optimizer)
    return owner


def _name(group: Group, groups: Sequence[Group]) -> Any:
    """Return the name of a group; a single one without a name is the one that no rule has made."""
    return group.get("name") or (DEFAULT if len(groups) == 1 else None)


def _labels(groups: Sequence[Group]) -> list[str]:
    return [str(_name(group, groups) or f"group {i}") for i, group in enumerate(groups)]

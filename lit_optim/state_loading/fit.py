"""A saved state dict and the parameters that are here -> the state dict to load, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn.parameter import is_lazy

from lit_optim.state_loading.compare import Misfit, compared, is_followers, is_same, own_state
from lit_optim.state_loading.first_state import First
from lit_optim.state_loading.joint import joint_problem
from lit_optim.state_loading.match import LiveParameter, match

SHOWN = 10  # problems in a message
UNKNOWN = First(None, frozenset(), late=True, error="")


class Fit(NamedTuple):
    """The state dict to load, and why it must not be loaded; one of them is empty."""

    state_dict: dict[str, Any]
    problems: list[str]


def fit(
    saved: Mapping[str, Any],
    live: Sequence[Sequence[LiveParameter]],
    first_state: Callable[..., First],
    *,
    strict: bool = False,
    joint: bool = False,
) -> Fit:
    """Brings a saved state dict into the order of the live parameters, and compares all that it holds with them.

    Nothing in ``saved`` is changed; tensors that fit are passed on as they are.

    Args:
        saved: a state dict, of any origin.
        live: the parameters of the optimizer that is to load it, by group.
        first_state: ``(group, parameter, exact=False) -> First``: what a first step would make.
        strict: whether state that the first step does not make must have its parameter's shape.
        joint: whether the first parameter holds the state of all of them.

    Example:
        >>> import torch
        >>> first = lambda group, p, exact=False: First(None, frozenset(), True, "")
        >>> a = LiveParameter(("a",), torch.zeros(2))
        >>> saved = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"params": [0]}]}
        >>> fit(saved, [[a]], first, strict=True).problems
        ["a: 'exp_avg' has shape (3,), and should have (2,) (the parameter has shape (2,))"]
    """
    if problem := _malformed(saved):
        return Fit({}, [problem])
    matched = match(saved, live)
    if matched.problems:
        return Fit({}, matched.problems)
    problems, changed = [], {}
    state = saved["state"]
    ids = {i for group in matched.groups for i in group["params"]}
    if strays := [i for i in state if isinstance(i, int) and i not in ids]:
        problems.append(f"it holds the state of a parameter that is in none of its groups ({strays[0]})")
    problems += joint_problem(state, matched, live) if joint else []
    for number, (group, parameters) in enumerate(zip(matched.groups, live, strict=True)):
        some = next((p.tensor for p in parameters if not is_lazy(p.tensor)), None)
        if not joint and some is not None and (first := first_state(group, some)).foreign:
            problems.append(f"no step can be taken with its param group {number}: {first.error}")
            continue
        for place, (i, p) in enumerate(zip(group["params"], parameters, strict=True)):
            entry = state.get(i, {})
            try:
                after = _entry(entry, group, p.tensor, None if joint else first_state, strict)
            except Misfit as misfit:
                name = p.names[0] if p.names else f"parameter {place} of group {number}"
                problems.append(f"{name}: {misfit}")
            else:
                if i in state and not is_same(after, entry):
                    changed[i] = after
    if problems:
        more = len(problems) - SHOWN
        return Fit({}, [*problems[:SHOWN], *([f"and {more} more like these"] if more > 0 else [])])
    rest = {key: value for key, value in saved.items() if key != "param_names"}  # names of the order that it had
    return Fit({**rest, "param_groups": matched.groups, "state": {**state, **changed} if changed else state}, [])


def _entry(
    entry: Mapping[str, Any],
    group: Mapping[str, Any],
    p: Tensor,
    first_state: Callable[..., First] | None,
    strict: bool,
) -> dict[str, Any]:
    own = own_state(entry)
    if first_state is None:  # what it holds has been looked at, but for second weights
        compared({key: value for key, value in entry.items() if is_followers(key)}, UNKNOWN, p, strict=strict)
        return dict(entry)
    if is_lazy(p):
        if own:
            raise Misfit("it has no shape yet; load the module's weights or run a forward pass before its optimizer")
        return dict(entry)
    first = first_state(group, p)
    if not own:
        if not first.late and first.state:
            raise Misfit(f"it has no state, and its optimizer needs one ({first.error})")
        return compared(entry, UNKNOWN, p, strict=strict)
    try:
        return compared(entry, first, p, strict=strict)
    except Misfit:
        try:
            return compared(entry, first_state(group, p, exact=True), p, strict=strict)
        except Misfit as misfit:
            raise Misfit(f"{misfit} (the parameter has shape {tuple(p.shape)})") from None


def _malformed(saved: Any) -> str:
    """Why something is no state dict of an optimizer; else ''."""
    if not isinstance(saved, Mapping) or not {"state", "param_groups"} <= saved.keys():
        return "it is no state dict of an optimizer, which has the keys 'state' and 'param_groups'"
    groups, state = saved["param_groups"], saved["state"]
    if not isinstance(state, Mapping):
        return f"its 'state' is a {type(state).__name__}, and should be a mapping"
    if not isinstance(groups, (list, tuple)) or not all(isinstance(group, Mapping) for group in groups):
        return "its 'param_groups' are no list of mappings"
    if not all(isinstance(group.get("params"), (list, tuple)) for group in groups):
        return "one of its 'param_groups' has no list 'params'"
    ids = [i for group in groups for i in group["params"]]
    if not all(isinstance(i, (int, str)) for i in ids):
        return "its 'params' are neither numbers nor names"
    kinds = [type(state[i]).__name__ for i in ids if i in state and not isinstance(state[i], Mapping)]
    if kinds:
        return f"the state of a parameter is of type {kinds[0]}, and should be a mapping"
    return ""

"""A saved state dict and the parameters that are here -> the state dict to load, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

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
    entry_of = _followers_of if joint else _entry
    problems += joint_problem(state, matched, live) if joint else []
    for number, (group, parameters) in enumerate(zip(matched.groups, live, strict=True)):
        for place, (i, p) in enumerate(zip(group["params"], parameters, strict=True)):
            entry = state.get(i, {})
            try:
                after = entry_of(entry, group, p.tensor, first_state, strict)
            except Misfit as misfit:
                name = p.names[0] if p.names else f"parameter {place} of group {number}"
                problems.append(f"{name}: {misfit}")
            else:
                if i in state and not is_same(after, entry):
                    changed[i] = after
    if problems:
        rest = len(problems) - SHOWN
        return Fit({}, [*problems[:SHOWN], *([f"and {rest} more like these"] if rest > 0 else [])])
    return Fit({**saved, "param_groups": matched.groups, "state": {**state, **changed} if changed else state}, [])


def _entry(
    entry: Any, group: Mapping[str, Any], p: Tensor, first_state: Callable[..., First], strict: bool
) -> dict[str, Any]:
    own = own_state(entry)
    if _is_lazy(p):
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


def _followers_of(entry: Any, group: Any, p: Tensor, first_state: Any, strict: bool) -> dict[str, Any]:
    """The entry, whose second weights fit; the rest of a joint state has been looked at."""
    compared({key: value for key, value in entry.items() if is_followers(key)}, UNKNOWN, p, strict=strict)
    return dict(entry)


def _is_lazy(p: Tensor) -> bool:
    from torch.nn.parameter import is_lazy

    return bool(is_lazy(p))


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
    if not all(isinstance(i, (int, str)) for group in groups for i in group["params"]):
        return "its 'params' are neither numbers nor names"
    return ""

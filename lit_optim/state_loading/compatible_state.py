"""Accept or reject a saved state dict for an optimizer, before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.optim import LBFGS, SGD, Adagrad, Adam, AdamW, Optimizer

from lit_optim.errors import ConfigError
from lit_optim.state_loading.expected_state import FirstState, FirstStates
from lit_optim.state_loading.lbfgs import check_lbfgs_state
from lit_optim.state_loading.match_by_name import LiveParameter, match
from lit_optim.state_loading.parameter_names import optimizer_names
from lit_optim.state_loading.saved_param_state import loadable_state, own_state

REMEDY = "load what an optimizer of this class has saved for these parameters, or begin anew from the weights alone"
FUSED = (Adam, AdamW, SGD, Adagrad)  # subclasses may have torch's kernels write into their state
ONE_CYCLE = ("initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum")
SHOWN = 10  # problems in a message
UNKNOWN = FirstState(None, frozenset())


def compatible_state(optimizer: Optimizer, state_dict: Any, key: str = "state_dict") -> dict[str, Any]:
    """Return a state dict in the order and the form in which an optimizer keeps it.

    Args:
        optimizer: that is going to load it.
        state_dict: it is not changed.
        key: what the message calls it.

    Raises:
        ConfigError: with all that does not fit.
    """
    live = [
        [LiveParameter(*pair) for pair in zip(names, group["params"], strict=True)]
        for names, group in zip(optimizer_names(optimizer), optimizer.param_groups, strict=True)
    ]
    try:
        # a composite has several, and of the two of a planned change one has written it
        inner_of = getattr(optimizer, "inner_of", None)
        parts: list[Optimizer] = (
            [inner_of(state_dict)] if inner_of else [*getattr(optimizer, "parts", {"": optimizer}).values()]
        )
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from None
    owners = {p: FirstStates(part) for part in parts for group in part.param_groups for p in group["params"]}
    # the first step of torch's classes and of ours makes all state that has another shape than the parameter
    known = all(type(part).__module__.startswith(("torch.optim", "lit_optim.")) for part in parts)
    strict = known or all(isinstance(part, FUSED) for part in parts)
    try:
        if isinstance(optimizer, LBFGS):
            found = check_state_dict(state_dict, live, lambda *_, **__: UNKNOWN)
            check_lbfgs_state(optimizer, state_dict, found)
        else:
            found = check_state_dict(state_dict, live, lambda g, p, **k: owners[p](g, p, **k), strict=strict)
    except ConfigError as error:
        *others, last = (f"{key}: {problem}" for problem in error.problems)
        raise ConfigError(*others, f"{last}; {REMEDY}") from None
    pairs = zip(found["param_groups"], optimizer.param_groups, strict=True)
    return {**found, "param_groups": [_as_live(group, live_group, optimizer.defaults) for group, live_group in pairs]}


def check_state_dict(
    saved: Any, live: Sequence[Sequence[LiveParameter]], first_state: Callable[..., FirstState], *, strict: bool = False
) -> dict[str, Any]:
    """Bring a saved state dict into the order of the live parameters, and compare all that it holds with them.

    Nothing in ``saved`` is changed; tensors that fit are passed on as they are.

    Args:
        saved: a state dict, of any origin.
        live: the parameters of the optimizer that is to load it, by group.
        first_state: ``(group, parameter, exact=False) -> FirstState``: what a first step would make.
        strict: whether state that the first step does not make must have its parameter's shape.

    Raises:
        ConfigError: with all that does not fit.

    Example:
        >>> import torch
        >>> a = LiveParameter(("a",), torch.zeros(2))
        >>> saved = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"params": [0]}]}
        >>> check_state_dict(saved, [[a]], lambda group, p, exact=False: UNKNOWN, strict=True)
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: a: 'exp_avg' has shape (3,), and should have (2,) (the parameter has shape (2,))
    """
    if problem := malformed(saved):
        raise ConfigError(problem)
    groups = match(saved, live)
    state, loaded = saved["state"], {}
    ids = {i for group in groups for i in group["params"]}
    strays = [i for i in state if isinstance(i, int) and i not in ids]
    problems = [f"it holds the state of a parameter that is in none of its groups ({i})" for i in strays[:1]]
    for number, (group, parameters) in enumerate(zip(groups, live, strict=True)):
        p = next((p.tensor for p in parameters if not is_lazy(p.tensor)), None)
        first = UNKNOWN if p is None else first_state(group, p)
        if first.error and first.state is None:
            problems.append(f"no step can be taken with its param group {number}: {first.error}")
            continue
        for place, (i, (names, p)) in enumerate(zip(group["params"], parameters, strict=True)):
            try:
                loaded[i] = _param_state(state.get(i, {}), group, p, first_state, strict)
            except ConfigError as error:
                problems.append(f"{names[0] if names else f'parameter {place} of group {number}'}: {error}")
    if problems:
        more = len(problems) - SHOWN
        raise ConfigError(*problems[:SHOWN], *([f"and {more} more like these"] if more > 0 else []))
    rest = {key: value for key, value in saved.items() if key != "param_names"}  # names of the order that it had
    return {**rest, "param_groups": groups, "state": {i: loaded.get(i, entry) for i, entry in state.items()}}


def malformed(saved: Any) -> str:
    """Return why an object is no state dict of an optimizer; '' if it is one."""
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
    return f"the state of a parameter is of type {kinds[0]}, and should be a mapping" if kinds else ""


def _param_state(
    entry: Mapping[str, Any], group: Mapping[str, Any], p: Tensor, first_state: Callable[..., FirstState], strict: bool
) -> dict[str, Any]:
    own = own_state(entry)
    if is_lazy(p):
        if own:
            raise ConfigError(
                "it has no shape yet; load the module's weights or run a forward pass before its optimizer"
            )
        return dict(entry)
    first = first_state(group, p)
    if first.error and not own and first.state:
        raise ConfigError(f"it has no state, and its optimizer needs one ({first.error})")
    try:
        return loadable_state(entry, first, p, strict=strict)
    except ConfigError:
        first = first_state(group, p, exact=True)
    try:
        return loadable_state(entry, first, p, strict=strict)
    except ConfigError as error:
        raise ConfigError(f"{error} (the parameter has shape {tuple(p.shape)})") from None


def _as_live(group: Mapping[str, Any], live: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return a saved group with torch's ``param_names`` of the live one, and its sums on the device of the parameters.

    Sums over parameters that a class keeps in its groups (DAdaptAdam's, say) are its state; torch and Lightning move
    only what stands in ``state``. Hyper-parameters stay where they were saved: an lr may be a tensor on the CPU.

    Example:
        >>> import torch
        >>> live = {"params": [torch.zeros(1, device="meta")]}
        >>> found = _as_live({"lr": torch.ones(()), "sum": torch.ones(1)}, live, {"lr": 0.1})
        >>> found["lr"].device.type, found["sum"].device.type
        ('cpu', 'meta')
    """
    # torch takes no mixture of groups with names and without; a part of a composite may have another name now
    names = {key: live[key] for key in ("param_names", "part") if key in live}
    if "max_lr" not in group:  # saved under another scheduler than torch's OneCycleLR, which reads these keys
        names.update({key: live[key] for key in ONE_CYCLE if "max_lr" in live and key in live})
    device = next((p.device for p in live["params"]), None)
    moved = {k: v.to(device) for k, v in group.items() if isinstance(v, Tensor) and k not in defaults}
    return {**group, **moved, **names}

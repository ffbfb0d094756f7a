"""Bring the states of a checkpoint into the form of the optimizers and schedulers that are going to load them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lit_optim.config.resume_policy import ResumePolicy
from lit_optim.errors import ConfigError, wrong
from lit_optim.scheduler.driven_value import LR, is_tensor
from lit_optim.scheduler.schedule_lr import ScheduleLR
from lit_optim.state_loading.saved_param_state import is_shadow_key
from lit_optim.state_loading.translate import translated

LR_KEYS = ("lr", "initial_lr")


def of_another_class(state: Mapping[str, Any], saved_class: str, optimizer: Optimizer) -> tuple[dict[str, Any], bool]:
    """Return the state of another class in the form of an optimizer, and whether it is fresh.

    It is fresh where it has another meaning; averages of weights and the weights themselves are kept, because they are
    put back before it is dropped.

    Args:
        state: in the groups of the optimizer.
        saved_class: that wrote it.
        optimizer: that loads it.
    """
    found = translated(state, saved_class, optimizer)
    if found is None:
        return without_own_state(state, optimizer), True
    for group, saved in zip(found["param_groups"], state["param_groups"], strict=True):
        group.update({key: saved[key] for key in LR_KEYS if key in saved})
    return found, False


def without_own_state(state: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    """Return the state that an optimizer begins with, and of a saved state the second weights alone."""
    fresh = optimizer.state_dict()
    groups = fresh["param_groups"]
    ids = {
        saved: live
        for old, new in zip(state["param_groups"], groups, strict=True)
        for saved, live in zip(old["params"], new["params"], strict=True)
    }
    shadows = {
        ids[i]: {key: value for key, value in entry.items() if is_shadow_key(key)}
        for i, entry in state["state"].items()
        if i in ids
    }
    entries = {i: {**fresh["state"].get(i, {}), **shadows.get(i, {})} for i in ids.values()}
    return {"state": {i: e for i, e in entries.items() if e}, "param_groups": [{**group} for group in groups]}


def set_values(
    optimizer: Optimizer, scheduler: Any, built: Sequence[Mapping[str, Any]], keys: Any, groups: Any = None
) -> None:
    """Give the groups of an optimizer the values that they were built with, at the present step of their schedule.

    Args:
        optimizer: whose state is restored.
        scheduler: its scheduler, restored too; None where it has none.
        built: the values of each group before there was a scheduler.
        keys: which of them.
        groups: names of the groups; None: all of them.
    """
    for group, values in zip(optimizer.param_groups, built, strict=False):
        if groups is not None and group.get("name") not in groups:
            continue
        chosen = {key: _like(group.get(key), value) for key, value in values.items() if key in keys}
        if isinstance(scheduler, ScheduleLR):
            group.update(chosen)
            for driven in scheduler.driven_values:
                if driven.name in chosen and driven.drives(group):
                    group[driven.initial] = 1.0 if driven.absolute else driven.read(group)
                    driven.fill(group, driven.now)
        else:
            lr = chosen.pop(LR, None)
            group.update(chosen)
            if lr is not None:
                before = float(group.get("initial_lr", group[LR]))
                share = float(group[LR]) / before if before and isinstance(scheduler, LRScheduler) else 1.0
                group.update({"initial_lr": lr} if "initial_lr" in group else {}, lr=lr * share)
    if isinstance(scheduler, LRScheduler) and not isinstance(scheduler, ScheduleLR) and LR in keys:
        scheduler.base_lrs = [group.get("initial_lr", group[LR]) for group in optimizer.param_groups]


def _like(present: Any, value: Any) -> Any:
    """Return a value as a tensor where the present one is a tensor, as the lr of a compiled step has to be."""
    return present.clone().fill_(value) if is_tensor(present) and not is_tensor(value) else value


def fit_scheduler_states(
    checkpoint: dict[str, Any],
    schedulers: Sequence[Any],
    groups: Sequence[Sequence[dict[str, Any]]],
    done: int,
    policy: ResumePolicy,
) -> None:
    """Give every scheduler a state that it can load: of another class, or without one, it goes on at the step reached.

    Args:
        checkpoint: whose ``lr_schedulers`` is completed.
        schedulers: in the order of the optimizers.
        groups: saved param groups of their optimizers, which get the initial lr that they lack.
        done: optimizer steps of each optimizer.
        policy: with ``restart``, a scheduler of torch begins anew.

    Raises:
        ConfigError: for a scheduler of torch that cannot go on from another one's state.
    """
    saved = checkpoint.get("lr_schedulers")
    states: list[Any] = [*saved] if isinstance(saved, (list, tuple)) else []
    states += [None] * (len(schedulers) - len(states))
    own = [*groups, *([] for _ in schedulers)]
    checkpoint["lr_schedulers"] = [
        _state_of(scheduler, state, each, done, policy)
        for scheduler, state, each in zip(schedulers, states, own, strict=False)
    ]


def _state_of(scheduler: Any, state: Any, groups: Sequence[dict[str, Any]], done: int, policy: ResumePolicy) -> Any:
    own = isinstance(state, Mapping) and "factor" in state and "last_epoch" in state
    if isinstance(scheduler, ScheduleLR):
        return state if own else {"last_epoch": done, **_factor_of(groups)}
    expected = scheduler.state_dict()
    if policy.schedule == "restart":
        return expected
    if isinstance(state, Mapping) and not own and state.keys() >= {key for key in expected if not key.startswith("_")}:
        return state
    name = type(scheduler).__name__
    there = "a schedule of lit-optim" if own else "no scheduler" if state is None else "another scheduler"
    rule = f"{name} cannot go on from the state of {there}"
    raise ConfigError(wrong("scheduler", name, f"{rule}; write a preset, e.g. scheduler=step, or resume=restart"))


def _factor_of(groups: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the factor at which another scheduler has left the lr; without one, the lr is the initial one."""
    for group in groups:
        group.setdefault("initial_lr", group[LR])
    initial = float(groups[0]["initial_lr"]) if groups else 0.0
    return {"factor": float(groups[0][LR]) / initial} if initial else {}


def check_equal_steps(checkpoint: Mapping[str, Any]) -> None:
    """Reject a cooldown of optimizers that step at times of their own: one length does not fit them.

    Raises:
        ConfigError: with the steps of each.
    """
    states = [state for state in checkpoint.get("lr_schedulers") or () if isinstance(state, Mapping)]
    steps = [state.get("last_epoch") for state in states]
    if len(set(steps)) > 1:
        rule = (
            f"the optimizers of the checkpoint have taken {', '.join(map(str, steps))} steps, and one length is for all"
        )
        raise ConfigError(f"resume.schedule=cooldown: {rule}; write resume=restart and a scheduler that falls")

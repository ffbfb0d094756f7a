"""Hold what a resumed run knows of its checkpoint, apply the policy once everything is restored, and show the diff."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch.optim import Optimizer

from lit_optim.config.resume_policy import ResumePolicy
from lit_optim.resume.diff import Difference, diff_table
from lit_optim.resume.states import LR_KEYS, fit_scheduler_states, of_another_class, set_values, without_own_state
from lit_optim.scheduler.driven_value import LR
from lit_optim.scheduler.schedule_lr import ScheduleLR
from lit_optim.state_loading.compatible_state import malformed
from lit_optim.state_loading.translate import MOMENTS, inner_of, meaning_of_state, translated
from lit_optim.torch_backend.implementation import FLAGS

Groups = list[dict[str, Any]]
LR_ADVICE = "write resume=lr_from_config to take the configured lr"
OPTIMIZER_ADVICE = (
    "write resume.optimizer=config to take the configured optimizer, resume=reset_optimizer without its state"
)
NOT_COMPARED = ("params", "param_names", "name", "part", *LR_KEYS)


def values_of(groups: Sequence[Mapping[str, Any]]) -> Groups:
    """Return the values of param groups, without their parameters."""
    return [{key: value for key, value in group.items() if key != "params"} for group in groups]


def with_own_schedule(scheduler: Any, optimizer: Optimizer, names: Collection[str]) -> list[str]:
    """Return which groups have a schedule by their name, so that no value of another group tells where it stands."""
    own = [value for value in getattr(scheduler, "driven_values", ()) if value.group is not None]
    groups = [group for group in optimizer.param_groups if group.get("name") in names]
    return [group["name"] for group in groups if any(value.selects(group) for value in own)]


def saved_groups(checkpoint: Mapping[str, Any]) -> list[Groups]:
    """Return the values of the param groups in a checkpoint, by optimizer; none where it is sharded, or damaged."""
    states = checkpoint.get("optimizer_states")
    plain = [state for state in states if not malformed(state)] if isinstance(states, list) else []
    return [values_of(state["param_groups"]) for state in plain]


@dataclass
class ResumedRun:
    """What a resumed run knows of its checkpoint.

    Args:
        policy: what wins.
        saved: the checkpoint's ``lit_optim``.
        rows: where specs differ.
        steps: optimizer steps of the run that the checkpoint counts, of all optimizers together.
        groups: values of the checkpoint's param groups, by optimizer.
        fresh: optimizers whose state is dropped once the weights are back.
        new_groups: names of groups that the checkpoint does not have, by optimizer.
        notes: on what differs beside values.
    """

    policy: ResumePolicy
    saved: Mapping[str, Any]
    rows: list[Difference]
    steps: int = 0
    groups: list[Groups] = field(default_factory=list)
    fresh: set[int] = field(default_factory=set)
    new_groups: dict[int, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def fit_states(self, checkpoint: dict[str, Any], optimizers: Sequence[Optimizer]) -> None:
        """Bring the states of optimizers into the form of those that load them; they are in their groups already."""
        classes = self.saved.get("active") or self.saved.get("optimizers") or []
        states = checkpoint.get("optimizer_states")
        if not isinstance(states, list) or len(states) != len(optimizers):
            return
        for i, (state, optimizer) in enumerate(zip(states, optimizers, strict=True)):
            before, now = classes[i] if i < len(classes) else "", type(optimizer).__name__
            if self.policy.optimizer == "reset":
                states[i] = without_own_state(state, optimizer)
                self.fresh.add(i)
                self.notes.append(f"{now} begins without the checkpoint's state")
            elif before and self.policy.optimizer == "config":
                now = type(inner_of(optimizer, state)).__name__
                if before == now:  # with other arguments, perhaps: amsgrad, nesterov
                    found = translated(state, before, optimizer) if meaning_of_state(before) == MOMENTS else None
                    same = found is not None and found["state"].keys() == state["state"].keys()
                    pairs = zip(state["param_groups"], optimizer.param_groups, strict=True)
                    groups = [{**saved, **_arguments_but_lr(group, optimizer)} for saved, group in pairs]
                    states[i] = {
                        **state,
                        **({"state": found["state"]} if found and same else {}),
                        "param_groups": groups,
                    }
                    continue
                states[i], fresh = of_another_class(state, before, optimizer)
                self.fresh |= {i} if fresh else set()
                self.notes.append(f"the state of {before} {'has no meaning in' if fresh else 'goes on in'} {now}")

    def fit_schedulers(
        self, checkpoint: dict[str, Any], schedulers: Sequence[Any], optimizers: Sequence[Optimizer], *, loaded: bool
    ) -> None:
        """Give every scheduler a state that it can load.

        Args:
            checkpoint: that is changed.
            schedulers: of the run.
            optimizers: likewise.
            loaded: whether the optimizers have loaded their state already.
        """
        states = checkpoint.get("optimizer_states")
        plain = not loaded and isinstance(states, list) and not any(map(malformed, states))
        groups = [state["param_groups"] for state in states or ()] if plain else [o.param_groups for o in optimizers]
        fit_scheduler_states(checkpoint, schedulers, groups, self.steps // max(1, len(optimizers)), self.policy)

    def apply(
        self,
        optimizers: Sequence[Optimizer],
        schedulers: Sequence[Any],
        built: Sequence[Groups],
        first_states: Sequence[Mapping[Any, Any]] = (),
    ) -> None:
        """Apply the policy to optimizers whose state is restored.

        Args:
            optimizers: of the run.
            schedulers: in their order.
            built: the values that their groups were built with.
            first_states: the state that they were built with, as an Adagrad has one before its first step.
        """
        for i, (optimizer, scheduler, values) in enumerate(zip(optimizers, schedulers, built, strict=False)):
            keys = {LR} if self.policy.lr == "config" else set()
            if self.policy.optimizer != "checkpoint":
                keys |= {key for key in optimizer.defaults if key != LR}
            if i in self.fresh or self.policy.optimizer == "reset":
                optimizer.state.clear()
                optimizer.state.update(first_states[i] if i < len(first_states) else {})
                keys |= {key for group in values for key in group}
            if keys:
                set_values(optimizer, scheduler, values, keys)
            new = self.new_groups.get(i, [])
            if not hasattr(optimizer, "values_now"):  # else `built` has the values of its present class
                new = with_own_schedule(scheduler, optimizer, new)
            if new:
                set_values(optimizer, scheduler, values, {LR, *optimizer.defaults}, new)

    def diff(
        self,
        optimizers: Sequence[Optimizer],
        schedulers: Sequence[Any],
        built: Sequence[Groups],
        lengths: Sequence[tuple[Any, Any]],
        environment: Mapping[str, Any],
    ) -> str:
        """Return the table of all that differs; '' where nothing does.

        Args:
            optimizers: of the run, as they go on.
            schedulers: in their order.
            built: the values that their groups were built with.
            lengths: the run's optimizer steps, in the checkpoint and now, by optimizer.
            environment: the present one.
        """
        rows = [*self.rows]
        for i, (optimizer, values) in enumerate(zip(optimizers, built, strict=False)):
            saved = self.groups[i] if i < len(self.groups) else []
            shown = {(row.what.rpartition(".")[2], str(row.checkpoint), str(row.config)) for row in self.rows}
            found = group_rows(
                saved, [arguments_in(group, optimizer) for group in values], values_of(optimizer.param_groups)
            )
            rows += [row for row in found if (row.what, str(row.checkpoint), str(row.config)) not in shown]
            if i < len(schedulers) and saved and optimizer.param_groups:
                rows += lr_row(saved[0], optimizer.param_groups[0], schedulers[i])
        rows += [Difference("optimizer steps of the run", old, new, new) for old, new in lengths if old and old != new]
        before = self.saved.get("environment")
        before = before if isinstance(before, Mapping) else {}
        changed = [
            Difference(n, before[n], now, now) for n, now in environment.items() if n in before and before[n] != now
        ]
        inexact = ["the run goes on, but not bit for bit"] if changed else []
        return diff_table([*rows, *changed], [*self.notes, *_advice(rows), *inexact])


def arguments_in(group: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    """Return the values of a group that are arguments of its class, and its name: others are counted or estimated.

    Example:
        >>> import torch
        >>> arguments_in({"name": "head", "lr": 0.1, "k": 3}, torch.optim.SGD([torch.zeros(1)]))
        {'name': 'head', 'lr': 0.1}
    """
    owner = getattr(optimizer, "parts", {}).get(group.get("part"), optimizer)
    names = {"name", *inspect.signature(type(owner)).parameters} - {"params", *FLAGS}
    return {key: value for key, value in group.items() if key in names}


def _arguments_but_lr(group: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    return {key: value for key, value in arguments_in(group, optimizer).items() if key not in ("name", LR)}


def group_rows(saved: Groups, built: Groups, used: Groups) -> list[Difference]:
    """Return where the values of groups of one name differ.

    Example:
        >>> saved, built = [{"name": "head", "lr": 0.05, "initial_lr": 0.1}], [{"name": "head", "lr": 0.2}]
        >>> group_rows(saved, built, saved)
        [Difference(what='lr of head', checkpoint=0.1, config=0.2, used=0.1)]
    """
    rows = []
    by_name = {group.get("name", str(i)): group for i, group in enumerate(saved)}
    for i, (new, now) in enumerate(zip(built, used, strict=False)):
        name = new.get("name", str(i))
        if (old := by_name.get(name)) is None:
            continue
        label = f" of {name}" if "name" in new else f" of group {i}" if len(built) > 1 else ""
        keys = [LR] if old.get("phase") != "sgd" else []  # whose lr is estimated
        for key in [*keys, *(key for key in new if key not in NOT_COMPARED)]:
            values = [group.get(f"initial_{key}", group.get(key)) for group in (old, new, now)]
            if key in new and key in old and not _same(values[0], values[1]):
                rows.append(Difference(f"{key}{label}", *values))
    return rows


def lr_row(saved: Mapping[str, Any], used: Mapping[str, Any], scheduler: Any) -> list[Difference]:
    """Return the lr before and after, where it jumps although its initial value stays."""
    if _same(saved.get(LR), used.get(LR)):
        return []
    step = f" at step {scheduler.last_epoch}" if isinstance(scheduler, ScheduleLR) else ""
    return [Difference(f"lr{step}", saved.get(LR), used.get(LR), used.get(LR))]


def _same(one: Any, other: Any) -> bool:
    try:
        one, other = (list(value) if isinstance(value, tuple) else value for value in (one, other))
        return bool(one == other)
    except (TypeError, ValueError, RuntimeError):  # tensors of several elements
        return False


def _advice(rows: Sequence[Difference]) -> list[str]:
    kept = [row.what for row in rows if not _same(row.checkpoint, row.config) and _same(row.used, row.checkpoint)]
    lr = [what for what in kept if what.endswith(".lr") or what.startswith("lr")]
    return [*([LR_ADVICE] if lr else []), *([OPTIMIZER_ADVICE] if len(kept) > len(lr) else [])]

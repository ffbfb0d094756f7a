"""Plans the schedules of a run when training starts, and again where what is left of it has changed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lit_optim.config.resume_policy import ResumePolicy
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import Trainer, end_at_step, is_instance, rank_zero_warn
from lit_optim.resume.resumed_run import ResumedRun, values_of
from lit_optim.resume.run_plan import (
    Rest,
    RunPlan,
    as_planned,
    continued,
    cooled_down,
    first_plan,
    from_dict,
    restarted,
    stretched,
    to_dict,
)
from lit_optim.scheduler.clock import Clock
from lit_optim.scheduler.driven_value import LR
from lit_optim.scheduler.planned_steps import planned_steps
from lit_optim.scheduler.run_length import end_by_hand, epoch_position, run_length, steps_left
from lit_optim.scheduler.run_progress import RunProgress, run_progress
from lit_optim.scheduler.schedule_lr import ScheduleLR

NOT_RESTORED = (
    "only the weights are restored, and the run begins at step 0: Lightning leaves out the rest beside a "
    "BatchSizeFinder or a LearningRateFinder; remove it to go on"
)
RUNS = "runs"  # in a checkpoint's `lit_optim`


def remember_built_values(module: Any) -> None:
    """Keep the values that the groups were built with, before a checkpoint is restored."""
    module._run_state.built = [
        [
            {key: _initial(group, key, value) for key, value in values.items() if not key.startswith("initial_")}
            for group, values in zip(optimizer.param_groups, values_of(optimizer.param_groups), strict=True)
        ]
        for optimizer in module.trainer.optimizers
    ]
    module._run_state.first_states = [
        {p: {key: copy.deepcopy(value) for key, value in entry.items()} for p, entry in optimizer.state.items()}
        for optimizer in module.trainer.optimizers
    ]


def _initial(group: Mapping[str, Any], key: str, value: Any) -> Any:
    if isinstance(value, tuple):  # whose items may be driven, each by itself
        return tuple(group.get(f"initial_{key}[{i}]", item) for i, item in enumerate(value))
    return group.get(f"initial_{key}", value)


def schedulers_of(trainer: Trainer) -> list[Any]:
    """Return the scheduler of each optimizer; None for one without."""
    by_optimizer = {id(config.scheduler.optimizer): config.scheduler for config in trainer.lr_scheduler_configs}
    return [by_optimizer.get(id(optimizer)) for optimizer in trainer.optimizers]


def rest_of_run(trainer: Trainer, done: int, optimizers: int) -> Rest:
    """Return what a Trainer that trains still has to do for an optimizer with so many steps done."""
    progress = run_progress(trainer).in_epochs_of(trainer.num_training_batches)
    left, _ = steps_left(trainer, progress, optimizers)
    per_epoch = run_length(trainer, optimizers, done).steps_per_epoch
    epoch = None if per_epoch is None else epoch_position(trainer, progress, per_epoch)
    end = None if left is None else progress.steps + left * optimizers
    if not trainer.lightning_module.automatic_optimization:
        end = end_by_hand(trainer, progress, optimizers)
    return Rest(done, left, per_epoch, epoch, end)


def plan_runs(module: Any) -> None:
    """Plan the schedules of a run whose training starts: as its checkpoint says, by the policy, or from the first step.

    Raises:
        ConfigError: where a schedule does not fit what is left of the run.
    """
    trainer, state = module.trainer, module._run_state
    resumed, schedulers, state.plans = state.resumed, schedulers_of(trainer), []
    if resumed is not None:
        pairs = zip(trainer.optimizers, state.built, strict=False)  # a planned change may have taken place
        state.built = [getattr(optimizer, "values_now", list)(values) for optimizer, values in pairs]
        resumed.apply(trainer.optimizers, schedulers, state.built, state.first_states)
        if resumed.steps and not trainer.global_step:
            resumed.notes.append(NOT_RESTORED)
    lengths: list[tuple[Any, Any]] = []
    for i, scheduler in enumerate(schedulers):
        plan = None
        if isinstance(scheduler, ScheduleLR):
            rest = rest_of_run(trainer, scheduler.last_epoch, len(trainer.optimizers))
            saved = _saved_plan(resumed, i, scheduler)
            plan = _plan(scheduler, saved, rest, resumed and resumed.policy, _given_total(module, i))
            if plan.clock != scheduler.clock:
                scheduler.replan(plan.clock)
            lengths.append((saved and saved.end, plan.end))
            if plan.clock.decay is not None and resumed is not None and not (saved and saved.clock.decay):
                resumed.notes.append(f"the lr falls over {plan.clock.decay.steps} optimizer steps, and the run ends")
        state.plans.append(plan)
    if resumed is not None:
        environment = module._environment()
        text = resumed.diff(trainer.optimizers, schedulers, state.built, lengths, environment)
        state.resumed = None
        if text:
            rank_zero_warn(text)


def follow_run_length(module: Any) -> None:
    """Plan the schedules again where the steps left in the run are no longer those of the plan; say so."""
    trainer, state = module.trainer, module._run_state
    for i, (scheduler, plan) in enumerate(zip(schedulers_of(trainer), state.plans, strict=False)):
        if plan is None or not isinstance(scheduler, ScheduleLR):
            continue
        rest = rest_of_run(trainer, scheduler.last_epoch, len(trainer.optimizers))
        if as_planned(plan, rest) is not None:
            continue
        state.plans[i] = new = continued(plan, rest, _given_total(module, i))
        old, now = (each.clock.run_length.total_steps for each in (plan, new))
        if new.clock != scheduler.clock:
            scheduler.replan(new.clock)
        if old != now:
            text = f"the run has now {now} optimizer steps in place of {old}: its schedule is planned anew"
            rank_zero_warn(f"scheduler: {text} from step {rest.done} on")


def warn_of_unfinished_schedules(module: Any) -> None:
    """Warn of schedules that the end of the run has cut off."""
    trainer = module.trainer
    for scheduler, plan in zip(schedulers_of(trainer), module._run_state.plans, strict=False):
        if plan is not None and plan.end is not None and trainer.global_step < plan.end and planned_steps(scheduler):
            lr = float(scheduler.optimizer.param_groups[0]["lr"])
            text = f"the run has ended after {trainer.global_step} of the {plan.end} optimizer steps of its schedule"
            rank_zero_warn(f"scheduler: {text}, at lr {lr:.3g}; write the length that fits the time: trainer.max_steps")


def end_with_cooldown(
    trainer: Trainer, policy: ResumePolicy, saved: Mapping[str, Any], progress: RunProgress, optimizers: int
) -> None:
    """Let the run end with its cooldown; one that was interrupted goes on to its end.

    Raises:
        ConfigError: where a ModelCheckpoint would write among the files of the parent.
    """
    if ends := [run["end"] for run in saved.get(RUNS) or [] if isinstance(run, Mapping) and run.get("decay")]:
        end_at_step(trainer, ends[0])
        return
    folder = Path(str(trainer.ckpt_path)).resolve().parent
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by a connector
        dirpath = getattr(callback, "dirpath", None)
        if dirpath and is_instance(callback, "callbacks.ModelCheckpoint") and Path(dirpath).resolve() == folder:
            rule = "a ModelCheckpoint would write into the folder of the run that is branched off"
            raise ConfigError(f"resume.schedule=cooldown: {rule}, {folder.name}; give it another dirpath")
    per_epoch = run_length(trainer, optimizers).steps_per_epoch
    steps = policy.cooldown_steps(progress.steps // optimizers, per_epoch)
    end_at_step(trainer, progress.steps + steps * optimizers)


def saved_runs(module: Any) -> list[Any]:
    """Return the plans of the schedules for a checkpoint."""
    plans = module._run_state.plans
    given = [_given_total(module, i) is not None for i in range(len(plans))]
    return [plan and to_dict(replace(plan, given=one)) for plan, one in zip(plans, given, strict=True)]


def _saved_plan(resumed: ResumedRun | None, i: int, scheduler: ScheduleLR) -> RunPlan | None:
    runs = (resumed.saved if resumed else {}).get(RUNS) or []
    return from_dict(runs[i] if i < len(runs) else None, scheduler.clock)


def _plan(
    scheduler: ScheduleLR, saved: RunPlan | None, rest: Rest, policy: ResumePolicy | None, given: int | None
) -> RunPlan:
    if policy is None:
        return _first_plan(scheduler.clock, rest, given)
    if saved is None and policy.schedule == "stretch":
        rule = "the checkpoint does not say how long its run was"
        raise ConfigError(f"resume.schedule=stretch: {rule}; write resume=continue, or resume=restart")
    before = saved or RunPlan(scheduler.clock)
    if policy.schedule == "restart":
        return restarted(before, rest, given)
    if policy.schedule == "cooldown" and before.clock.decay is None:
        lrs = [value for value in scheduler.driven_values if value.key == LR]
        factors = {value.id: value.now if value.loaded is None else value.loaded for value in lrs}
        if not any(factors.values()):
            rule = f"the lr of the checkpoint is 0 at step {rest.done}, so that it cannot fall"
            raise ConfigError(f"resume.schedule=cooldown: {rule}; branch off an earlier checkpoint, or resume=restart")
        return cooled_down(before, rest, policy, factors)
    kept = as_planned(before, rest, given) if saved else None
    if kept is not None:
        return kept
    return stretched(before, rest) if policy.schedule == "stretch" else continued(before, rest, given)


def _first_plan(clock: Clock, rest: Rest, given: int | None) -> RunPlan:
    """Return the plan of a run that begins: its length may have changed since its schedule was built."""
    first, run = first_plan(clock, rest), clock.run_length
    as_built = (run.total_steps, run.steps_per_epoch) == (rest.done + (rest.left or 0), rest.per_epoch)
    if as_built or given is not None or rest.left is None or not clock.timeline.is_identity:
        return first
    return continued(first, rest)


def _given_total(module: Any, i: int) -> int | None:
    """Return the length that the configuration gives to a schedule."""
    parts = module.optimizer_parts()
    keys = parts[i].scheduler.lightning_keys if i < len(parts) else {}
    return None if keys.get("total_steps") is None else int(keys["total_steps"])

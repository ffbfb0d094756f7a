"""Warns of mistakes that no signature forbids when a fit starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from lit_optim.config import capabilities
from lit_optim.config.muon_share import muon_share
from lit_optim.config.pitfalls import Specs, find_in_specs
from lit_optim.config.read.unused_groups import classes_of_callbacks, replaced_by_recipe, unused_groups, words_of_app
from lit_optim.config.resolve import Resolved
from lit_optim.config.resolve_named import ResolvedByName
from lit_optim.config.resume_policy import ResumePolicy, read_policy
from lit_optim.duration import RunLength
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import LightningModule, Trainer, imported_classes, rank_zero_warn


def warn_at_fit_start(
    resolved: Resolved | ResolvedByName, module: LightningModule, trainer: Trainer | None, run: RunLength
) -> None:
    """Warn of specs that do not fit each other, the module, or the length of the run.

    Args:
        resolved: the specs.
        module: that is trained.
        trainer: for its limits, its strategy and its callbacks; None: there is none, and only the specs are looked at.
        run: the length of the run, where it is known.

    Raises:
        ConfigError: for an optimizer of second order without its backward, where DeepSpeed builds a schedule too,
            and where a schedule ends before the run.
    """
    for part in resolved.parts:
        path = part.optimizer.spec.path
        needs = capabilities.capabilities_of_target(path)
        raised = needs.modes and trainer is not None  # by the callback for schedule-free optimizers
        if part.scheduler.moves and needs.against_schedules and not raised:
            rank_zero_warn(f"{path} {needs.against_schedules}")
        if trainer is None:
            continue
        _check_backward(module, path)
        if not run.shortened_by:
            _warn_of_pitfalls(part, module, trainer, part.length_of(run, by_hand=not module.automatic_optimization))
    if trainer is None:
        return
    specs: Any = module.optim_specs()  # type: ignore[operator]  # of the mixin
    policy = read_policy(specs.get("resume"))
    if not trainer.ckpt_path and policy != ResumePolicy():
        rule = "has no effect, as the run begins without a checkpoint"
        rank_zero_warn(f"resume: {rule}; write ckpt_path=... to resume one")
    from lit_optim.callbacks import SpecCheckpoint

    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
    if not trainer.global_step and not any(isinstance(callback, SpecCheckpoint) for callback in callbacks):
        name = f"{type(module).__name__}.configure_callbacks"
        effect = "no plateau is fed, and a resumed run does not take over the specs of its checkpoint"
        if not module.automatic_optimization:
            effect = f"no schedule moves, {effect}"
        rank_zero_warn(f"{name} drops what super() returned: {effect}")


def check_what_was_built(
    module: Any, optimizers: Sequence[Optimizer], schedulers: Sequence[Any], total_steps: int | None
) -> None:
    """Reject a scheduler that undoes a switch to SGD; warn of an eps that is 0, and of what has no effect.

    Args:
        module: whose specs they come from.
        optimizers: over the parameters as they are trained.
        schedulers: theirs.
        total_steps: length of the run in optimizer steps, where it is known.

    Raises:
        ConfigError: for a scheduler of another class that puts Adam's lr in place of SGD's.
    """
    from lit_optim.callbacks.protocol import reject_schedules_that_undo_a_switch

    reject_schedules_that_undo_a_switch(optimizers, schedulers, total_steps)
    groups = [(optimizer, group) for optimizer in optimizers for group in optimizer.param_groups]
    for eps in {group["eps"] for optimizer, group in groups if eps_vanishes(optimizer, group)}:
        rank_zero_warn(
            f"optimizer.eps={eps:g}: is 0 in float16, the dtype of the weights, which a gradient of 0 makes NaN; "
            "write optimizer.eps=1e-4, or trainer.precision=16-mixed or bf16-true"
        )
    if (configured := module.lr_without_effect()) is not None:
        rank_zero_warn(
            f"optimizer.lr={configured:g} has no effect: {type(module).__name__}.__init__ assigns self.lr={module.lr:g}"
            "; remove that (self.lr reads the configured lr), or assign only what is not None"
        )
    typed, chosen = words_of_app()
    given = {type(callback).__name__ for callback in getattr(module._trainer_or_none(), "callbacks", ())}
    texts = unused_groups(typed, module.optim_specs(), type(module).__name__, chosen)
    for text in [*texts, *replaced_by_recipe(typed, chosen)]:
        if not (text.startswith("optim_callbacks") and given & classes_of_callbacks()):  # given to the Trainer
            rank_zero_warn(text)


def eps_vanishes(optimizer: Optimizer, group: Mapping[str, Any]) -> bool:
    """Return whether the eps of a group is rounded to 0 beside its float16 weights.

    Example:
        >>> optimizer = torch.optim.NAdam([torch.zeros(1, dtype=torch.float16)], eps=1e-8)
        >>> eps_vanishes(optimizer, optimizer.param_groups[0])
        True
    """
    own, eps = type(optimizer).__module__.startswith("lit_optim."), group.get("eps")  # ours compute in 32 bits
    half = any(p.dtype == torch.float16 for p in group["params"])
    return half and not own and not group.get("fused") and isinstance(eps, float) and 0 < eps <= 2.0**-25


def _check_backward(module: LightningModule, path: str) -> None:
    """Reject an optimizer that differentiates the gradients again in a module with Lightning's own ``backward``."""
    inherited = type(module).backward in [cls.backward for cls in imported_classes("LightningModule")]  # type: ignore[attr-defined]
    if inherited and module.automatic_optimization and capabilities.capabilities_of_target(path).second_order:
        problem = f"optimizer: {path.rpartition('.')[2]} differentiates the gradients again"
        remedy = f"write in {type(module).__name__}: def backward(self, loss): loss.backward(create_graph=True)"
        raise ConfigError(f"{problem}; {remedy}")


def _warn_of_pitfalls(resolved: Resolved, module: Any, trainer: Trainer, run: RunLength) -> None:
    optimizer, scheduler = resolved.optimizer.spec, resolved.scheduler
    config = getattr(trainer.strategy, "config", None)  # DeepSpeed's
    strategy = {"_target_": type(trainer.strategy).__name__, "config": config} if isinstance(config, Mapping) else None
    specs = Specs(
        optimizer,
        scheduler.spec,
        scheduler,
        resolved.param_groups.rules,
        run,
        strategy=strategy,
        precision=trainer.precision,
        guarded=any(callback.leaves_steps_out for callback in module.optimizer_callbacks()),
    )
    findings = [*find_in_specs(specs), *(muon_share(resolved.optimizer, module) if resolved.of is None else [])]
    fatal = [str(found) for found in findings if found.fatal]
    if fatal:
        raise ConfigError(*fatal)
    for found in findings:
        if found.severity != "note":
            rank_zero_warn(str(found))

"""Warns of mistakes that no signature forbids when a fit starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_optim.config import capabilities
from lit_optim.config.muon_share import muon_share
from lit_optim.config.pitfalls import Specs, find_in_specs
from lit_optim.config.resolve import Resolved
from lit_optim.config.resolve_named import ResolvedByName
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
    from lit_optim.callbacks import SpecCheckpoint

    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
    if not trainer.global_step and not any(isinstance(callback, SpecCheckpoint) for callback in callbacks):
        name = f"{type(module).__name__}.configure_callbacks"
        effect = "no plateau is fed, and a resumed run does not take over the specs of its checkpoint"
        if not module.automatic_optimization:
            effect = f"no schedule moves, {effect}"
        rank_zero_warn(f"{name} drops what super() returned: {effect}")


def _check_backward(module: LightningModule, path: str) -> None:
    """Reject an optimizer that differentiates the gradients again in a module with Lightning's own ``backward``."""
    inherited = type(module).backward in [cls.backward for cls in imported_classes("LightningModule")]  # type: ignore[attr-defined]
    if inherited and module.automatic_optimization and capabilities.capabilities_of_target(path).second_order:
        problem = f"optimizer: {path.rpartition('.')[2]} differentiates the gradients again"
        remedy = f"write in {type(module).__name__}: def backward(self, loss): loss.backward(create_graph=True)"
        raise ConfigError(f"{problem}; {remedy}")


def _warn_of_pitfalls(resolved: Resolved, module: LightningModule, trainer: Trainer, run: RunLength) -> None:
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

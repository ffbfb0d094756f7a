"""Holds what a module remembers of its runs, beside its hyper-parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lit_optim.config.build.lr_scaling import ScaledLr
from lit_optim.config.resolve import Resolved
from lit_optim.config.resolve_named import ResolvedByName
from lit_optim.module.subclass_writes import WithheldSchedule
from lit_optim.resume.resumed_run import ResumedRun
from lit_optim.resume.run_plan import RunPlan
from lit_optim.step_hooks import AppliedStepCounter


@dataclass
class RunState:
    """The state of `ConfigureOptimizersMixin` in a module.

    Args:
        given_specs: the specs that ``save_hyperparameters`` was given, before Lightning drops what cannot be pickled.
        assigned_lr: the absolute learning rate that was assigned to ``module.lr``; None: none was.
        lr_of_init: whether that was done by the module's own ``__init__``.
        allowed_packages: packages and folders that the specs of the checkpoint that the module was loaded from may
            name besides what any may; None: the specs are no checkpoint's, and may name all.
        allowed_names: import paths that they may name, as those who loaded it named them too.
        resumed_specs: the specs that the run goes on with, where the checkpoint's win.
        resumed: what is known of the checkpoint that the run is resumed from.
        checkpoint: that checkpoint, until its optimizer states are checked.
        built: the values that the groups of each optimizer were built with.
        first_states: the state that each optimizer was built with.
        plans: of each schedule of our own; None for one of another class.
        resumed_batch_size: samples of an optimizer step of that checkpoint, where its lr was scaled by them.
        scaled_lr: how the lr in force was scaled by the batch size; None: it was not.
        withheld: schedules whose first values a subclass with a ``configure_optimizers`` does not see yet; None: there
            is no such subclass.
        applied_steps: counts the optimizer's steps where a gradient scaler may skip some.
        frozen: what rules have frozen before the strategy has wrapped the module.
        write_groups: writes the table of the param groups when training starts.
        built_groups: how many groups each optimizer was built with.
        inputs: what `resolved` was made of.
        resolved: the specs in force.
    """

    given_specs: dict[str, Any] = field(default_factory=dict)
    assigned_lr: float | None = None
    lr_of_init: bool = False
    allowed_packages: frozenset[str | Path] | None = None
    allowed_names: frozenset[str] = frozenset()
    resumed_specs: dict[str, Any] | None = None
    resumed: ResumedRun | None = None
    checkpoint: dict[str, Any] | None = None
    built: list[list[dict[str, Any]]] = field(default_factory=list)
    first_states: list[dict[Any, Any]] = field(default_factory=list)
    plans: list[RunPlan | None] = field(default_factory=list)
    resumed_batch_size: int | None = None
    scaled_lr: ScaledLr | None = None
    applied_steps: AppliedStepCounter | None = None
    frozen: list[Tensor] = field(default_factory=list)
    withheld: list[WithheldSchedule] | None = None
    write_groups: Callable[[], Any] | None = None
    built_groups: list[int] = field(default_factory=list)
    inputs: Any = None
    resolved: Resolved | ResolvedByName | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be made again: a module must stay picklable, and a spec may hold any function."""
        return {**vars(self), "inputs": None, "resolved": None, "write_groups": None, "checkpoint": None}

    def build_scheduler(
        self, optimizer: Optimizer, build: Callable[[], LRScheduler], check: Callable[[], None]
    ) -> LRScheduler:
        """Build a scheduler; withhold its first values where a subclass may change the groups, and check them then."""
        if self.withheld is None:
            return build()
        self.withheld.append(WithheldSchedule(optimizer, build, check))
        return self.withheld[-1].scheduler

    def take_checkpoint(self) -> dict[str, Any]:
        """Return the checkpoint that the run is resumed from, once; empty where there is none."""
        checkpoint, self.checkpoint = self.checkpoint, None
        return {} if checkpoint is None else checkpoint

    def forget_resume(self) -> None:
        """Forget the checkpoint of an earlier run, when a new one begins."""
        self.resumed_specs = self.resumed = self.resumed_batch_size = self.checkpoint = None
        self.inputs = self.resolved = None
        self.plans = []

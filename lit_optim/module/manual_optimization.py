"""Gives a training step its optimizers by name, and its schedules in a form that moves by itself."""

from __future__ import annotations

from typing import Any

from lit_optim.config.resolve import Resolved
from lit_optim.module.resolved_specs import ModuleWithResolvedSpecs
from lit_optim.module.step_schedules import moves_by_itself


class _MovesByItself:
    """A scheduler that its optimizer moves: ``step`` does nothing, all else is the scheduler's."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler

    @property  # type: ignore[misc]  # for `isinstance`
    def __class__(self) -> type:
        return type(self._scheduler)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scheduler, name)

    def step(self, *_: Any, **__: Any) -> None:
        """Do nothing."""


class ModuleWithNamedOptimizers(ModuleWithResolvedSpecs):
    """A module whose training step may drive several optimizers."""

    def named_optimizers(self) -> dict[str, Any]:
        """Return what ``self.optimizers()`` does, by name: Lightning's wrappers, for ``training_step``.

        One optimizer without a name is called ``optimizer``.
        """
        found = self.optimizers()
        found = found if isinstance(found, list) else [found]
        names = [part.name or "optimizer" for part in self.optimizer_parts()]
        return dict(zip(names, found, strict=True))

    def lr_schedulers(self) -> Any:
        """Return Lightning's; in manual optimization, ``step`` of those that move by themselves does nothing."""
        found: Any = super().lr_schedulers()
        parts, schedulers = self.optimizer_parts(), found if isinstance(found, list) else [found]
        if self.automatic_optimization or len(parts) != len(schedulers):
            return found
        pairs = zip(parts, schedulers, strict=True)
        shown = [_MovesByItself(one) if moves_by_itself(part, one) else one for part, one in pairs]
        return shown if isinstance(found, list) else shown[0]

    def optimizer_parts(self) -> tuple[Resolved, ...]:
        """Return the specs of each optimizer that is built."""
        resolved = self._run_state.resolved
        return () if resolved is None else resolved.parts

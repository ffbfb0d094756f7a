"""Freezes what rules of the param groups freeze, before a strategy wraps the module."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torch.nn.modules.batchnorm import _BatchNorm

from lit_optim.config.build.optimizer import trained_by
from lit_optim.errors import ConfigError
from lit_optim.module.manual_optimization import ModuleWithNamedOptimizers
from lit_optim.param_groups import NamedModel

LIGHTNING = ("lightning", "pytorch_lightning")
HOOKS = ("setup", "configure_model")  # the parameters exist after the last of those that a class has


class ModuleFrozenByRules(ModuleWithNamedOptimizers):
    """A module whose parameters are frozen by rules before DDP decides which gradients it reduces.

    Lightning calls no hook between ``configure_model`` and that moment, so that a class's own ``setup`` and
    ``configure_model`` are wrapped: they often forget ``super()``.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Freeze after the hooks of this class."""
        super().__init_subclass__(**kwargs)
        for hook in HOOKS:
            own = next((vars(base)[hook] for base in cls.__mro__ if hook in vars(base)), None)
            if own is None or hasattr(own, "freezes"):
                continue
            if hook == "setup" or own.__module__.partition(".")[0] not in LIGHTNING:  # Lightning's own does nothing
                setattr(cls, hook, _then_freeze(own, hook))

    def freeze_by_rules(self) -> None:
        """Freeze what the rules in force freeze; what the rules of an earlier call have frozen is trained again.

        Raises:
            ConfigError: for patterns that match nothing, and where nothing is left to train.
        """
        state = self._run_state
        for p in state.frozen:
            p.requires_grad_(True)
        state.frozen = []
        try:
            with self.trusted():
                grouping = self.resolved_specs(attached=True).parts[0].param_groups
        except ConfigError:
            return  # `configure_optimizers` raises it, if it is the mixin's
        if any(rule.freeze for rule in grouping.rules):
            before = [p for p in self.parameters() if p.requires_grad]
            trained_by(NamedModel(self), grouping)
            state.frozen = [p for p in before if not p.requires_grad]

    def train_added_groups(self) -> None:
        """Train the parameters of groups that the optimizers did not have when they were configured."""
        built, live = self._run_state.built_groups, self._live_optimizers()
        pairs = zip(live, built, strict=True) if len(live) == len(built) else ()
        added = {p for optimizer, n in pairs for group in optimizer.param_groups[n:] for p in group["params"]}
        for p in added:
            p.requires_grad_(True)
        for module in self.modules():
            if isinstance(module, _BatchNorm) and not added.isdisjoint(module.parameters(recurse=False)):
                module.track_running_stats = True  # which Lightning's callback switches off where it freezes them

    def resume_from(self, checkpoint: dict[str, Any]) -> None:
        """Take over the specs of a checkpoint, and freeze by its rules where the optimizer is not built yet."""
        super().resume_from(checkpoint)
        if not self._live_optimizers():
            self.freeze_by_rules()


def _then_freeze(hook: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Wrap a hook of a class: after the last one, where a fit begins, parameters are frozen."""

    @functools.wraps(hook)
    def wrapped(self: ModuleFrozenByRules, *args: Any, **kwargs: Any) -> Any:
        result = hook(self, *args, **kwargs)
        last = next(each for each in reversed(HOOKS) if hasattr(getattr(type(self), each), "freezes"))
        trainer = self._trainer_or_none()
        if name == last and getattr(type(self), name) is wrapped and trainer is not None and trainer.state.fn == "fit":
            self.freeze_by_rules()
        return result

    wrapped.freezes = True  # type: ignore[attr-defined]
    return wrapped

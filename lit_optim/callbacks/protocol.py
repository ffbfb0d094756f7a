from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from torch.optim import Optimizer

from lit_optim.config.read.spec import Spec
from lit_optim.lightning_api import Callback, LightningModule, Trainer
from lit_optim.param_groups import Grouping


class OptimizerCallback(Callback):
    """Base of callbacks that take part in building the optimizer, or in saving the weights that it trains.

    `ConfigureOptimizersMixin` calls these methods on every callback of the Trainer that inherits from this class,
    however the callback was given. Each does nothing by default.

    Example:
        >>> from dataclasses import replace
        >>> class Centered(OptimizerCallback):
        ...     def replace_spec(self, spec: Spec) -> Spec:
        ...         return replace(spec, arguments={**spec.arguments, "centered": True})
        >>> Centered().replace_spec(Spec("torch.optim.RMSprop", {"lr": 0.1})).as_dict()
        {'_target_': 'torch.optim.RMSprop', 'lr': 0.1, 'centered': True}
    """

    one_optimizer: ClassVar[bool] = False  # whether it is rejected where there are several
    leaves_steps_out: ClassVar[bool] = False  # whether schedules must not move with each batch: it may leave a step out

    def replace_spec(self, spec: Spec) -> Spec:
        """Return the spec of the optimizer that is built in place of the configured one.

        Called when specs are resolved: before data is prepared, so that a wrong spec stops the run early, and again
        where a resume or an assigned lr has changed them. Always starts from the configured spec.

        Args:
            spec: the configured optimizer, or what an earlier callback has returned.

        Raises:
            ConfigError: for an optimizer that the callback cannot work with.
        """
        return spec

    def replace_grouping(self, grouping: Grouping) -> Grouping:
        """Return the rules of the param groups that count in place of the configured ones; called as `replace_spec` is.

        Args:
            grouping: the configured rules, or what an earlier callback has returned.

        Raises:
            ConfigError: for rules that the callback cannot work with.
        """
        return grouping

    def replace_optimizer(self, optimizer: Optimizer) -> Optimizer:
        """Return the optimizer that is trained with in place of the one that was built, e.g. one that owns it.

        Called once a fit, before checkpoints are compared with it and before `prepare_optimizer`.
        """
        return optimizer

    def prepare_optimizer(self, optimizer: Optimizer) -> None:
        """Change the new optimizer before its scheduler is built, e.g. add group keys that a schedule may drive."""

    def phase(self, trainer: Trainer) -> str:
        """Name the phase that an optimizer is in, which `Record` notes before each step; empty: there are none."""
        return ""

    def put_evaluated_weights(self, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the evaluated weights into a checkpoint without optimizer state.

        Lightning calls ``on_save_checkpoint`` of no callback for ``save_weights_only=True``; the mixin calls this.
        """


def reject_schedules_that_undo_a_switch(
    optimizers: Sequence[Any], schedulers: Sequence[Any], total_steps: int | None
) -> None:
    """Reject a scheduler that puts Adam's lr in place of SGD's in an optimizer that switches, with any callbacks."""
    switching = [group for each in optimizers for group in each.param_groups if "switch_tol" in group]
    if switching:
        from lit_optim.callbacks.swats.foreign_schedulers import reject_other_schedules

        others = [scheduler for scheduler in schedulers if scheduler is not None]
        reject_other_schedules(others, total_steps, follow=switching[0]["follow_schedule"])


def callbacks_with_phases(callbacks: Iterable[Any]) -> list[OptimizerCallback]:
    """Return the callbacks that name phases of the optimizer."""
    return [c for c in callbacks if isinstance(c, OptimizerCallback) and type(c).phase is not OptimizerCallback.phase]

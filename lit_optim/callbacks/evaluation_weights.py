from __future__ import annotations

from typing import Any, ClassVar

from torch import nn
from torch.optim import Optimizer

from lit_optim.averaging.shadow_weights import ShadowWeights, restore_live_weights
from lit_optim.callbacks.protocol import OptimizerCallback
from lit_optim.checkpoint.evaluated_weights import evaluated_in_checkpoint, swap_in_checkpoint
from lit_optim.distributed import reshard
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import (
    DeepSpeedStrategy,
    FSDPStrategy,
    LightningModule,
    Trainer,
    is_weight_averaging,
    rank_zero_warn,
)
from lit_optim.lightning_api import callbacks as lightning_callbacks


class EvaluationWeights(OptimizerCallback):
    """Base of callbacks that evaluate and save other weights than they train.

    Validation within a fit sees the evaluation weights, checkpoints hold them as ``state_dict`` (so that a monitored
    checkpoint gives its metric again, without this callback), and the module has them when the fit is over. The live
    weights are in the optimizer's state, under ``live_while_`` and the key of the others, and are back before anything
    is trained - also where the callback of a checkpoint is missing. This holds where validation fails, in the sanity
    check, in ``trainer.validate`` alone, within and around other callbacks that swap weights.

    A subclass makes the `ShadowWeights` of an optimizer.
    """

    single: ClassVar[bool] = True  # two of one class in one spec are rejected

    def __init__(self) -> None:
        self._shadows: list[ShadowWeights] = []
        self._evaluated = False  # whether its weights are the ones that are evaluated and saved in this fit

    def make_shadow(self) -> ShadowWeights:
        """Make the evaluation weights of one optimizer, not attached yet."""
        raise NotImplementedError

    def applies_to(self, optimizer: Optimizer) -> bool:
        """Return whether the callback keeps evaluation weights for an optimizer."""
        return True

    def is_evaluated(self, trainer: Trainer) -> bool:
        """Return whether this callback's weights are evaluated and saved."""
        return any(self.applies_to(optimizer) for optimizer in trainer.optimizers)

    def label(self, trainer: Trainer) -> str:
        """Return the callback's name in messages."""
        return type(self).__name__

    def prepare_optimizer(self, optimizer: Optimizer) -> None:
        """Add the keys to param groups that a schedule may drive."""
        if self.applies_to(optimizer):
            self.make_shadow().prepare_groups(optimizer)

    def attach(self, optimizer: Optimizer) -> ShadowWeights:
        """Attach evaluation weights to an optimizer in a plain torch loop, without a Trainer.

        Returns:
            The evaluation weights: ``with it.evaluation(): ...`` evaluates, ``it.detach()`` ends it.
        """
        return self.make_shadow().attach(optimizer)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attach to all optimizers, or reject the fit."""
        self._detach()
        optimizers = [optimizer for optimizer in trainer.optimizers if self.applies_to(optimizer)]
        if optimizers:
            self._evaluated = self.is_evaluated(trainer)
            self.check_fit(trainer, pl_module)
            self._shadows = [self.attach(optimizer) for optimizer in optimizers]
            for shadow in self._shadows:
                shadow.restoring = self._evaluated  # until training begins: a checkpoint may be loaded

    def check_fit(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reject a fit in which the weights that are evaluated would not be those that are saved.

        Raises:
            ConfigError: with the reason, and what to write instead.
        """
        name, callbacks = type(self).__name__, trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
        if sum(type(callback) is type(self) for callback in callbacks) > 1:
            raise ConfigError(f"callbacks: {name} is there twice; keep one of them")
        if any(isinstance(callback, lightning_callbacks.StochasticWeightAveraging) for callback in callbacks):
            raise ConfigError(
                f"callbacks: StochasticWeightAveraging replaces the schedule, and in the end the weights, behind the "
                f"back of {name}; remove it (an average that goes with everything is optim_callbacks=ema)"
            )
        if isinstance(trainer.strategy, (FSDPStrategy, DeepSpeedStrategy)):
            raise ConfigError(
                f"trainer.strategy: {type(trainer.strategy).__name__} keeps optimizer states in a form of its own, "
                f"where {name} does not find its weights; use ModelParallelStrategy (FSDP2) or ddp"
            )
        if not self._evaluated:
            return
        owners = [c.label(trainer) for c in callbacks if isinstance(c, EvaluationWeights) and c.is_evaluated(trainer)]
        owners += [type(c).__name__ for c in callbacks if is_weight_averaging(c)]
        if len(owners) > 1:
            fast = "; or let Lookahead only train, with evaluate: fast" if "Lookahead" in owners else ""
            raise ConfigError(
                f"callbacks: {' and '.join(owners)} each decide which weights are evaluated and saved; keep one{fast}"
            )
        bare = any(isinstance(c, lightning_callbacks.ModelCheckpoint) and c.save_weights_only for c in callbacks)
        if bare and not hasattr(pl_module, "stamp_checkpoint"):
            raise ConfigError(
                f"ModelCheckpoint(save_weights_only=True): Lightning asks no callback about such checkpoints, so that "
                f"{name} cannot put the evaluated weights into them; inherit from lit_optim.ConfigureOptimizersMixin, "
                "or write save_weights_only=False"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the live weights back: the first hook after everything was restored, whatever the strategy."""
        for shadow in self._shadows:
            shadow.restoring = False
        self._swap_out(pl_module)
        reshard(pl_module)
        if sum(restore_live_weights(optimizer) for optimizer in trainer.optimizers):
            rank_zero_warn(
                "this checkpoint was written by Lookahead or an average of the weights, which is not among the "
                "callbacks now: the run goes on from the weights that were trained, without it"
            )

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Put the live weights back where a checkpoint was restored within a fit, as learning-rate finders do."""
        self._swap_out(pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Swap the evaluation weights in (Lightning's averages of weights swap theirs in the epoch's hooks)."""
        if trainer.state.fn == "fit":
            self._swap_in(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Swap the live weights in, before checkpoints are written.

        Not after the sanity check: where a finished run is resumed, nothing is trained after it.
        """
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._swap_out(pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the evaluation weights in the module, as the result of the fit."""
        self._swap_in(pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Swap the live weights in before an OnExceptionCheckpoint is written."""
        self._swap_out(pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the evaluated weights, and the live ones in the optimizer's state."""
        for shadow in self._evaluated_shadows(pl_module):
            swap_in_checkpoint(checkpoint, trainer.optimizers.index(shadow.optimizer), shadow, pl_module)

    def put_evaluated_weights(self, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the evaluated weights into a checkpoint of weights only."""
        for shadow in self._evaluated_shadows(module):
            evaluated_in_checkpoint(checkpoint, shadow, module)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Detach from the optimizers."""
        self._detach()

    def _evaluated_shadows(self, module: nn.Module) -> list[ShadowWeights]:
        """Return the evaluation weights that are evaluated and saved, if any, with the module's weights resharded."""
        found = self._shadows if self._evaluated else []
        if found:
            reshard(module)
        return found

    def _swap_in(self, module: nn.Module) -> None:
        for shadow in self._evaluated_shadows(module):
            shadow.swap_in()

    def _swap_out(self, module: nn.Module) -> None:
        if any(shadow.may_be_swapped for shadow in self._shadows):
            reshard(module)
            for shadow in reversed(self._shadows):  # two optimizers may train one parameter
                shadow.swap_out()

    def _detach(self) -> None:
        for shadow in self._shadows:
            shadow.detach()
        self._shadows, self._evaluated = [], False

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.optim import Optimizer

from lit_optim.averaging.shadow_weights import ShadowWeights, restore_live_weights
from lit_optim.callbacks.protocol import OptimizerCallback
from lit_optim.checkpoint.evaluated_weights import evaluated_in_checkpoint, exchange_in_checkpoint
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import (
    DeepSpeedStrategy,
    FSDPStrategy,
    LightningModule,
    ModelCheckpoint,
    StochasticWeightAveraging,
    Trainer,
    is_weight_averaging,
    rank_zero_warn,
)


class EvaluationWeights(OptimizerCallback):
    """Whoever has other weights to evaluate than to train: at every border of a fit the right ones are in the module.

    Validation within a fit sees the evaluation weights, checkpoints hold them as ``state_dict`` (so that a monitored
    one gives its own metric again, without this callback), and the module has them when the fit is over; the live ones
    travel in the optimizer's state, under ``live_while_`` and the key of the others, and are back before anything is
    trained - also where a checkpoint's callback is not there any more. Safe where validation fails, in the sanity
    check, in ``trainer.validate`` alone, within and around other callbacks that swap weights.

    The one base of all of them: a subclass says what it follows an optimizer with.
    """

    single: ClassVar[bool] = True  # two of one class in one spec are refused

    def __init__(self) -> None:
        self._followers: list[ShadowWeights] = []
        self._owner = False

    def follower(self) -> ShadowWeights:
        """A new follower of one optimizer, not attached yet."""
        raise NotImplementedError

    def follows(self, optimizer: Optimizer) -> bool:
        """Whether it has anything to do with an optimizer."""
        return True

    def owns(self, trainer: Trainer) -> bool:
        """Whether its weights are the ones that are evaluated and saved."""
        return any(self.follows(optimizer) for optimizer in trainer.optimizers)

    def label(self, trainer: Trainer) -> str:
        """What it is called in messages."""
        return type(self).__name__

    def prepare_optimizer(self, optimizer: Optimizer) -> None:
        """Adds the keys to param groups that a schedule may drive."""
        if self.follows(optimizer):
            self.follower().prepare_groups(optimizer)

    def attach(self, optimizer: Optimizer) -> ShadowWeights:
        """Follows an optimizer in a plain torch loop, without a Trainer.

        Returns:
            What follows it: ``with it.evaluation(): ...`` evaluates, ``it.detach()`` ends it.
        """
        return self.follower().attach(optimizer)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Follows all optimizers, or refuses to, in words."""
        self._detach()
        followed = [optimizer for optimizer in trainer.optimizers if self.follows(optimizer)]
        if not followed:
            return
        self._owner = self.owns(trainer)
        self.refuse(trainer, pl_module)
        for optimizer in followed:
            follower = self.attach(optimizer)
            follower.restoring = self._owner  # until training begins: a checkpoint may be loaded
            self._followers.append(follower)

    def refuse(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises where what is evaluated would not be what is saved.

        Raises:
            ConfigError: with the reason, and what to write instead.
        """
        name, callbacks = type(self).__name__, trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
        if sum(type(callback) is type(self) for callback in callbacks) > 1:
            raise ConfigError(f"callbacks: {name} is there twice; keep one of them")
        if any(isinstance(callback, StochasticWeightAveraging) for callback in callbacks):
            raise ConfigError(
                f"callbacks: StochasticWeightAveraging replaces the schedule, and in the end the weights, behind the "
                f"back of {name}; remove it (an average that goes with everything is optim_callbacks=ema)"
            )
        if isinstance(trainer.strategy, (FSDPStrategy, DeepSpeedStrategy)):
            strategy = type(trainer.strategy).__name__
            raise ConfigError(
                f"trainer.strategy: {strategy} keeps optimizer states in a form of its own, where {name} does not find "
                "its weights; use ModelParallelStrategy (FSDP2) or ddp"
            )
        if not self._owner:
            return
        owners = [c.label(trainer) for c in callbacks if isinstance(c, EvaluationWeights) and c.owns(trainer)]
        owners += [type(c).__name__ for c in callbacks if is_weight_averaging(c)]
        if len(owners) > 1:
            fast = "; or let Lookahead only train, with evaluate: fast" if "Lookahead" in owners else ""
            raise ConfigError(
                f"callbacks: {' and '.join(owners)} each decide which weights are evaluated and saved; keep one{fast}"
            )
        bare = any(isinstance(c, ModelCheckpoint) and c.save_weights_only for c in callbacks)
        if bare and not hasattr(pl_module, "stamp_checkpoint"):
            raise ConfigError(
                f"ModelCheckpoint(save_weights_only=True): Lightning asks no callback about such checkpoints, so that "
                f"{name} cannot put the evaluated weights into them; inherit from lit_optim.ConfigureOptimizersMixin, "
                "or write save_weights_only=False"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins with the live weights: the first hook after everything was restored, whatever the strategy."""
        for follower in self._followers:
            follower.restoring = False
        self._swap_out(pl_module)
        _reshard(pl_module)
        if sum(restore_live_weights(optimizer) for optimizer in trainer.optimizers):
            rank_zero_warn(
                "this checkpoint was written by Lookahead or an average of the weights, which is not among the "
                "callbacks now: the run goes on from the weights that were trained, without it"
            )

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """The same where a checkpoint was restored within a fit, as learning-rate finders do."""
        if any(follower.may_be_swapped for follower in self._followers):
            self._swap_out(pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluates the evaluation weights (not in the epoch's hooks, where averages of Lightning's swap theirs)."""
        if trainer.state.fn == "fit":
            self._swap_in(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Goes on with the live weights; checkpoints are written after this.

        After the sanity check nothing may follow: where a finished run is resumed, nothing is trained.
        """
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._swap_out(pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The result of a fit are the evaluation weights."""
        self._swap_in(pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """The live weights are in the module, wherever it happened; an OnExceptionCheckpoint comes after this."""
        self._swap_out(pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Saves what is evaluated, and the live weights beside it."""
        if self._owner and self._followers:
            _reshard(pl_module)
            for follower in self._followers:
                index = next(i for i, o in enumerate(trainer.optimizers) if o is follower.optimizer)
                exchange_in_checkpoint(checkpoint, index, follower, pl_module)

    def put_evaluated_weights(self, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Saves what is evaluated into a checkpoint of weights only."""
        if self._owner and self._followers:
            _reshard(module)
            for follower in self._followers:
                evaluated_in_checkpoint(checkpoint, follower, module)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leaves the optimizers alone."""
        self._detach()

    def _swap_in(self, module: nn.Module) -> None:
        if self._owner and self._followers:
            _reshard(module)
            for follower in self._followers:
                follower.swap_in()

    def _swap_out(self, module: nn.Module) -> None:
        if self._followers:
            _reshard(module)
            for follower in reversed(self._followers):  # two optimizers may train one parameter
                follower.swap_out()

    def _detach(self) -> None:
        for follower in self._followers:
            follower.detach()
        self._followers, self._owner = [], False


def _reshard(module: nn.Module) -> None:
    """Drops what FSDP2 has gathered: after a forward without a backward its root goes on with the weights of before."""
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()

from __future__ import annotations

import functools
from typing import Any, ClassVar, Literal, get_args

from torch import Tensor
from torch.optim import Optimizer

from lit_optim.callbacks.finite_guard.good_copy import GoodCopy, TensorCopy
from lit_optim.callbacks.finite_guard.is_finite import are_finite, problem_of_weights, running_statistics
from lit_optim.callbacks.finite_guard.problem_of_step import gradients_of, problem_of_step
from lit_optim.callbacks.finite_guard.step_guard import StepGuard
from lit_optim.callbacks.protocol import OptimizerCallback
from lit_optim.callbacks.switch.foreign_schedulers import overwrites
from lit_optim.errors import ConfigError, NonFiniteError, did_you_mean, wrong
from lit_optim.lightning_api import (
    LightningModule,
    Trainer,
    has_gradient_scaler,
    is_instance,
    may_hide_infinity,
    rank_zero_warn,
    saves_after_step,
)
from lit_optim.step_hooks import was_applied

Policy = Literal["skip", "rollback", "stop"]
NAME = "optim_callbacks.finite"
TRIED_STEPS = 1000  # of a foreign schedule
REMEDY = "lower optimizer.lr, lengthen the warmup, or clip gradients"
ROLLBACK = f"write {NAME}.policy=rollback"


class FiniteGuard(OptimizerCallback):
    """Takes no optimizer step on a loss, gradients or an lr that are not finite, and saves no weights that are not.

    A step that is left out moves no schedule, counter, average or slow weight, and the running statistics of BatchNorms
    go back to those before its batches. Gradients are judged as the optimizer consumes them and, where clipping may
    hide an infinite one (by value, or a ``configure_gradient_clipping`` of the module), before that too. Weights are
    looked at before validations and saves, and after a step that was left out. All ranks decide alike. Steps that a
    gradient scaler skips are left to it. In each step the host waits for one number, as it does for a scaler.

    Without `lit_optim.ConfigureOptimizersMixin` Lightning moves schedules also with a step that was left out.

    Args:
        policy: ``skip`` leaves the step out; ``rollback`` also goes back to the last copy of weights and optimizer
            states, with lower lrs; ``stop`` ends the run, with exit code 3 under `exit_on_config_error`.
        patience: how many steps in a row may be left out, or rollbacks to one copy made; one more ends the run.
        factor: of all lrs at a rollback, above 0 and at most 1; schedules go on from there.
        every_n_steps: optimizer steps between two copies for a rollback; a copy takes the memory of weights and states.

    Raises:
        ConfigError: for values outside of their range; at the start of a fit, for a schedule that undoes ``factor``.
        NonFiniteError: to end the run.

    Example:
        >>> FiniteGuard(policy="rollback").state_dict()
        {'skipped': 0, 'rollbacks': 0, 'in_a_row': 0}
    """

    single: ClassVar[bool] = True
    leaves_steps_out = True
    # Lightning takes a dozen function calls for each hook of a step, but none for what it cannot call
    on_train_batch_start = on_train_batch_end = on_before_zero_grad = on_after_backward = None  # type: ignore[assignment]

    def __init__(
        self, policy: Policy = "skip", patience: int = 10, factor: float = 0.5, every_n_steps: int = 100
    ) -> None:
        if policy not in get_args(Policy):
            hint = did_you_mean(str(policy), get_args(Policy))
            raise ConfigError(wrong("policy", policy, f"must be one of {', '.join(get_args(Policy))}{hint}"))
        for name, count, least in (("patience", patience, 0), ("every_n_steps", every_n_steps, 1)):
            if count < least:
                raise ConfigError(wrong(name, count, f"must be at least {least}"))
        if not 0 < factor <= 1:
            raise ConfigError(wrong("factor", factor, "must be above 0 and at most 1"))
        self.policy, self.patience, self.factor, self.every_n_steps = policy, patience, factor, every_n_steps
        self.skipped = self.rollbacks = self.in_a_row = 0
        self._guards: list[StepGuard] = []
        self._problem = ""  # of the last step that was left out

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Reset the counts; a checkpoint is loaded later."""
        if stage == "fit":
            self.skipped = self.rollbacks = self.in_a_row = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Guard all optimizers, once everything is restored.

        Raises:
            ConfigError: for a schedule that undoes the factor of a rollback.
            NonFiniteError: for weights that are not finite.
        """
        self._detach()
        self.trainer, self.module = trainer, pl_module
        self._losses: list[Tensor] = []  # since the last step
        self._hidden = False  # whether clipping may have hidden a gradient that was not finite
        self._scaled, self._hides = has_gradient_scaler(trainer), may_hide_infinity(trainer, pl_module)
        _check_fit(trainer, self.policy)
        if problem := problem_of_weights(pl_module, trainer.world_size):
            raise NonFiniteError(f"{NAME}: {problem} before the first step; start from other weights")
        self._statistics = TensorCopy(running_statistics(pl_module).values())
        self._take_copy()
        for optimizer in trainer.optimizers:
            passes = functools.partial(self._passes, optimizer)
            self._guards.append(StepGuard(optimizer, passes, self._after_left_out, self._after_taken))

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Keep the loss for the decision; a scaled one is left to its scaler."""
        if not self._scaled:
            self._losses.append(loss.detach())

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Judge the gradients here where clipping may hide an infinite one."""
        self._hidden = self._hides and not are_finite(gradients_of(optimizer))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the weights before they are evaluated."""
        self._check_weights()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the weights before they are saved, and log the counts once there are any."""
        self._check_weights()
        if self.skipped or self.rollbacks:
            pl_module.log_dict(self._counts())

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save no weights that are not finite.

        Raises:
            NonFiniteError: before anything is written.
        """
        self.put_evaluated_weights(pl_module, checkpoint)

    def put_evaluated_weights(self, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save no such weights into a checkpoint of weights only either."""
        if problem := problem_of_weights(module, module.trainer.world_size):
            raise NonFiniteError(f"{NAME}: {problem}, so that no checkpoint is written; {REMEDY}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the counts, and give the optimizers their own steps back."""
        if self.skipped or self.rollbacks:
            rank_zero_warn(f"{NAME}: {self.skipped} steps were left out, with {self.rollbacks} rollbacks")
        self._detach()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the optimizers their own steps back."""
        self._detach()

    def state_dict(self) -> dict[str, Any]:
        """Return the counts; the copy for a rollback is taken again."""
        return {"skipped": self.skipped, "rollbacks": self.rollbacks, "in_a_row": self.in_a_row}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the counts."""
        self.skipped, self.rollbacks, self.in_a_row = (int(state_dict[key]) for key in self.state_dict())

    def _passes(self, optimizer: Optimizer) -> bool:
        """Decide whether a step may be taken, and keep what is wrong with it."""
        losses, hidden, self._losses, self._hidden = self._losses, self._hidden, [], False
        if not was_applied(optimizer):
            return True  # a scaler skips it within the kernel
        ranks = self.trainer.world_size
        self._problem = problem_of_step(optimizer, self.module, losses, hidden=hidden, ranks=ranks) or ""
        return not self._problem

    def _after_taken(self) -> None:
        """Keep what the next step may go back to."""
        self._statistics.take()
        if self.policy != "rollback":
            self.in_a_row = 0
            return
        self._steps_since_copy += 1
        due = self._steps_since_copy >= self.every_n_steps or not self._copy.fits()
        if (due or saves_after_step(self.trainer)) and self._check_weights() and due:
            self.in_a_row = 0
            self._take_copy()

    def _after_left_out(self) -> None:
        """Count a step that was left out, and do what the policy says."""
        self.skipped += 1
        self._statistics.restore()
        found = f"step {self.trainer.global_step + 1}: {self._problem}"
        if self.policy == "stop":
            raise NonFiniteError(f"{NAME}.policy='stop': {found}; {REMEDY}")
        if self.policy == "rollback":
            self._roll_back(found)
            return
        if weights := problem_of_weights(self.module, self.trainer.world_size):
            raise NonFiniteError(f"{NAME}: {found}, and {weights}, which no skipping mends; {REMEDY}, or {ROLLBACK}")
        self._count(found)

    def _check_weights(self) -> bool:
        """Return whether the weights are finite; if not, go back or end the run."""
        problem = problem_of_weights(self.module, self.trainer.world_size) if self._guards else None
        if problem is None:
            return True
        found = f"after step {self.trainer.global_step}: {problem}"
        if self.policy != "rollback":
            raise NonFiniteError(f"{NAME}: {found}; {REMEDY}, or {ROLLBACK}")
        self._roll_back(found)
        return False

    def _take_copy(self) -> None:
        self._steps_since_copy = 0
        if self.policy == "rollback":
            self._copy = GoodCopy(self.module, self.trainer.optimizers)

    def _roll_back(self, found: str) -> None:
        if not self._copy.fits():
            raise NonFiniteError(f"{NAME}: {found}, and param groups were added since the last copy; {REMEDY}")
        self.rollbacks += 1
        self._count(found)
        self._copy.restore([config.scheduler for config in self.trainer.lr_scheduler_configs], self.factor)
        self._statistics.take()
        self._steps_since_copy = 0

    def _count(self, found: str) -> None:
        """Log and report what happens; end a run in which it happens too often."""
        self.in_a_row += 1
        if self.in_a_row > self.patience:
            times = f"{self.in_a_row} times in a row, more than {NAME}.patience={self.patience}"
            raise NonFiniteError(f"{NAME}: {found}; {times}; {REMEDY}")
        if max(self.skipped, self.rollbacks) == 1:
            done = "the run goes back" if self.policy == "rollback" else "the step is left out"
            rank_zero_warn(f"{NAME}: {found}; {done}, also if it happens again; see finite/skipped in the log")
        for logger in self.trainer.loggers:
            logger.log_metrics(self._counts(), step=self.trainer.global_step)

    def _counts(self) -> dict[str, float]:
        return {"finite/skipped": float(self.skipped), "finite/rollbacks": float(self.rollbacks)}

    def _detach(self) -> None:
        while self._guards:
            self._guards.pop().detach()


def _check_fit(trainer: Trainer, policy: str) -> None:
    """Reject a fit whose steps cannot be guarded, or whose schedule undoes the factor of a rollback.

    Raises:
        ConfigError: with what to write instead.
    """
    if is_instance(trainer.strategy, "strategies.DeepSpeedStrategy"):
        raise ConfigError(f"{NAME}: DeepSpeed takes the steps itself; remove the guard, or use ddp or FSDP2")
    undoing = [c.scheduler for c in trainer.lr_scheduler_configs if overwrites(c.scheduler, TRIED_STEPS)]
    if policy == "rollback" and undoing:
        rule = "computes the lr from its own initial one and undoes lr x factor"
        advice = "choose one of lit-optim's (lit-optim list scheduler), or write policy=skip"
        raise ConfigError(f"{NAME}.policy='rollback': torch's {type(undoing[0]).__name__} {rule}; {advice}")

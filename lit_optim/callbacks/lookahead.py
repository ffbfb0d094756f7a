from __future__ import annotations

from typing import Literal, get_args

from lit_optim.averaging import lookahead
from lit_optim.averaging.lookahead import ALPHA, InnerState, K
from lit_optim.callbacks.evaluation_weights import EvaluationWeights
from lit_optim.callbacks.exponential_moving_average import ExponentialMovingAverage
from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.lightning_api import LightningModule, Trainer, imported_classes, rank_zero_info, rank_zero_warn

Evaluate = Literal["slow", "fast"]


class Lookahead(EvaluationWeights):
    """Lookahead (Zhang et al., 2019) around the optimizers of a module: k steps forward, 1 step back.

    See `lit_optim.optimizers.Lookahead` for the rule. Steps are those that really happen: batches that are accumulated,
    steps that a gradient scaler skips and batches without a loss are not counted; each of several optimizers has its
    own count. ``lookahead_alpha`` is in the param groups and can be scheduled (``scheduler.drive.lookahead_alpha``).
    Validation, checkpoints and the result of a fit are the slow weights - but for an average of the weights
    (`ExponentialMovingAverage`, Lightning's WeightAveraging) beside it, which is evaluated in their place. The
    statistics of a BatchNorm are those of the fast weights.

    Args:
        k: optimizer steps between two interpolations.
        alpha: how far the slow weights go towards the fast ones.
        inner_state: what becomes of the first moments: ``maintain``, ``reset`` or ``pullback``.
        evaluate: ``slow``, or ``fast`` to evaluate and save the weights that are trained.
        compile: interpolate in one compiled pass.

    Raises:
        ConfigError: for values outside of their range; at the start of a fit, for what does not go with it.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> slow_weights = Lookahead(k=5, alpha=0.5).attach(optimizer)  # without a Trainer
        >>> optimizer.param_groups[0]["lookahead_alpha"]
        0.5

    Paper: https://arxiv.org/abs/1907.08610
    """

    def __init__(
        self,
        k: int = 5,
        alpha: float = 0.5,
        inner_state: InnerState = "maintain",
        evaluate: Evaluate = "slow",
        compile: bool = False,
    ) -> None:
        super().__init__()
        lookahead.check_lookahead(k, alpha, inner_state)
        if evaluate not in get_args(Evaluate):
            hint = did_you_mean(str(evaluate), get_args(Evaluate))
            raise ConfigError(wrong("evaluate", evaluate, f"must be one of slow, fast{hint}"))
        self.k, self.alpha, self.inner_state, self.evaluate, self.compile = k, alpha, inner_state, evaluate, compile

    def make_shadow(self) -> lookahead.Lookahead:
        """Make the slow weights of one optimizer."""
        return lookahead.Lookahead(self.k, self.alpha, inner_state=self.inner_state, compile=self.compile)

    def is_evaluated(self, trainer: Trainer) -> bool:
        """Return whether the slow weights are evaluated: not with ``evaluate: fast``, nor beside an average."""
        return self.evaluate == "slow" and not _averages(trainer) and super().is_evaluated(trainer)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attach to all optimizers; report if an average is evaluated instead of the slow weights."""
        super().on_fit_start(trainer, pl_module)
        if self.evaluate == "slow" and _averages(trainer):
            rank_zero_info(f"Lookahead trains; evaluated and saved is the average of {', '.join(_averages(trainer))}")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Swap the fast weights in, and warn of options that the checkpoint replaces."""
        super().on_train_start(trainer, pl_module)
        for shadow in self._shadows:
            group = shadow.optimizer.param_groups[0]
            scheduled = f"initial_{ALPHA}" in group
            for key, own in ((K, self.k), (ALPHA, self.alpha)):
                if group[key] != own and not (key == ALPHA and scheduled):
                    name = key.removeprefix("lookahead_")
                    rank_zero_warn(
                        f"Lookahead: {name}={own} has no effect: the checkpoint restores {name}={group[key]}"
                    )


def _averages(trainer: Trainer) -> list[str]:
    callbacks = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
    averages = (ExponentialMovingAverage, *imported_classes("callbacks.WeightAveraging"))
    return [type(callback).__name__ for callback in callbacks if isinstance(callback, averages)]

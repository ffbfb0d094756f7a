from __future__ import annotations

from typing import Any

from lit_optim.averaging import exponential_moving_average
from lit_optim.callbacks.evaluation_weights import EvaluationWeights
from lit_optim.duration import parse
from lit_optim.lightning_api import LightningModule, Trainer
from lit_optim.scheduler.run_length import run_length


class ExponentialMovingAverage(EvaluationWeights):
    """Evaluates and saves an exponential moving average of the weights, without effect on training.

    See `lit_optim.optimizers.ExponentialMovingAverage` for the rule. The average is in the optimizer's state: it is
    resumed bit for bit, and sharded as the parameters are. It never touches the learning rate. Goes with Lookahead.

    Args:
        decay: weight of the average so far, in each update; ``scheduler.drive.average_decay`` moves it.
        warmup: whether the decay of update t is at most (1 + t) / (10 + t), so that a short run has an average too.
        start: a duration (500, 50%, 3ep) after which the average begins; until then it is the weights themselves.
        every_n: updates the average in every n-th optimizer step only.

    Raises:
        ConfigError: for a decay outside of [0, 1) and other values out of range; at the start of a fit, for what does
            not go with it.

    Example:
        >>> ExponentialMovingAverage(decay=0.99).decay
        0.99
    """

    def __init__(self, decay: float = 0.999, warmup: bool = True, start: Any = 0, every_n: int = 1) -> None:
        super().__init__()
        exponential_moving_average.check_average(decay, warmup, every_n)
        self.decay, self.warmup, self.every_n = decay, warmup, every_n
        self.start = parse(start, "start")
        self._start_step = 0

    def make_shadow(self) -> exponential_moving_average.ExponentialMovingAverage:
        """Make the average of one optimizer's weights."""
        average = exponential_moving_average.ExponentialMovingAverage
        return average(self.decay, self.warmup, self._start_step, self.every_n)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attach to all optimizers, with the start in optimizer steps of this run."""
        if self.start.amount:
            self._start_step = self.start.steps(run_length(trainer), "optim_callbacks.ema.start")
        super().on_fit_start(trainer, pl_module)

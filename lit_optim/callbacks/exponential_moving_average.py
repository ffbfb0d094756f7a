from __future__ import annotations

from lit_optim.averaging import exponential_moving_average
from lit_optim.callbacks.evaluation_weights import EvaluationWeights


class ExponentialMovingAverage(EvaluationWeights):
    """Evaluates and saves an exponential moving average of the weights, without effect on training.

    See `lit_optim.optimizers.ExponentialMovingAverage` for the rule. The average is in the optimizer's state: it is
    resumed bit for bit, and sharded as the parameters are. It never touches the learning rate. Goes with Lookahead.

    Args:
        decay: weight of the average so far, in each optimizer step; ``scheduler.drive.average_decay`` moves it.

    Raises:
        ConfigError: for a decay outside of [0, 1); at the start of a fit, for what does not go with it.

    Example:
        >>> ExponentialMovingAverage(decay=0.99).decay
        0.99
    """

    def __init__(self, decay: float = 0.999) -> None:
        super().__init__()
        exponential_moving_average.check_decay(decay)
        self.decay = decay

    def make_shadow(self) -> exponential_moving_average.ExponentialMovingAverage:
        """Make the average of one optimizer's weights."""
        return exponential_moving_average.ExponentialMovingAverage(self.decay)

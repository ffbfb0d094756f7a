from __future__ import annotations

from typing import Any

from torch import Tensor

from lit_optim.averaging import exponential_moving_average
from lit_optim.averaging.batch_norm_statistics import (
    batch_norms,
    read_statistics,
    recalibrate,
    same_batches,
    write_statistics,
)
from lit_optim.callbacks.evaluation_weights import EvaluationWeights
from lit_optim.duration import parse
from lit_optim.errors import ConfigError, wrong
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
        recalibrate_batch_norm: training batches, always the same ones, over which BatchNorms are measured with the
            average before it is evaluated or saved; 0: they keep those of the trained weights. One device only.

    Raises:
        ConfigError: for a decay outside of [0, 1) and other values out of range; at the start of a fit, for what does
            not go with it.

    Example:
        >>> ExponentialMovingAverage(decay=0.99).decay
        0.99
    """

    def __init__(
        self,
        decay: float = 0.999,
        warmup: bool = True,
        start: Any = 0,
        every_n: int = 1,
        recalibrate_batch_norm: int = 0,
    ) -> None:
        super().__init__()
        if type(recalibrate_batch_norm) is not int or recalibrate_batch_norm < 0:
            rule = "must be a number of batches, or 0"
            raise ConfigError(wrong("recalibrate_batch_norm", recalibrate_batch_norm, rule))
        self.recalibrate_batch_norm = recalibrate_batch_norm
        self._live: dict[str, Tensor] | None = None  # statistics, while the module has those of the average
        self._measured: tuple[int, dict[str, Tensor]] | None = None  # in which optimizer step, and what
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
        self._measured = None
        super().on_fit_start(trainer, pl_module)

    def check_fit(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reject a recalibration on several devices too, and one without a BatchNorm."""
        super().check_fit(trainer, pl_module)
        if self.recalibrate_batch_norm:
            key = f"optim_callbacks.ema.recalibrate_batch_norm={self.recalibrate_batch_norm}"
            if trainer.world_size > 1:
                raise ConfigError(f"{key}: takes one device, and there are {trainer.world_size}; write 0")
            if not batch_norms(pl_module):
                raise ConfigError(f"{key}: the module has no BatchNorm with running statistics; write 0")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the statistics of the trained weights too."""
        super().on_train_start(trainer, pl_module)
        self._restore(pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the statistics of the average, and those of the trained weights in this callback's state."""
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        live = self._put_statistics(pl_module, checkpoint)
        if live:
            checkpoint["callbacks"][self.state_key] = {"batch_norm": live}

    def put_evaluated_weights(self, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the average and its statistics into a checkpoint of weights only."""
        super().put_evaluated_weights(module, checkpoint)
        self._put_statistics(module, checkpoint)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the statistics of the trained weights until training starts."""
        self._live = state_dict.get("batch_norm")

    def _put_statistics(self, module: Any, checkpoint: dict[str, Any]) -> dict[str, Tensor] | None:
        """Put the statistics of the average into ``state_dict``; return those of the trained weights."""
        if not self.recalibrate_batch_norm or not self._shadows:
            return None
        swapped = self._live is not None
        self._swap_in(module)
        live, weights = self._live, checkpoint["state_dict"]
        if live is not None:
            weights.update({name: value for name, value in read_statistics(module).items() if name in weights})
        if not swapped:
            self._swap_out(module)
        return live

    def _swap_in(self, module: Any) -> None:
        super()._swap_in(module)
        trainer = module.trainer
        averaged = any(shadow.live in state for shadow in self._shadows for _, state in shadow.states())
        if not self.recalibrate_batch_norm or self._live is not None or not averaged or trainer.sanity_checking:
            return
        self._live = read_statistics(module)
        if self._measured is None or self._measured[0] != trainer.global_step:
            batches = same_batches(trainer.train_dataloader, self.recalibrate_batch_norm)
            recalibrate(module, batches, lambda batch: _forward(trainer, module, batch))
            self._measured = trainer.global_step, read_statistics(module)
        write_statistics(module, self._measured[1])

    def _swap_out(self, module: Any) -> None:
        super()._swap_out(module)
        self._restore(module)

    def _restore(self, module: Any) -> None:
        if self._live is not None:
            write_statistics(module, self._live)
            self._live = None


def _forward(trainer: Trainer, module: Any, batch: Any) -> None:
    batch = trainer.strategy.batch_to_device(trainer.precision_plugin.convert_input(batch), module.device)
    with trainer.precision_plugin.forward_context():
        module(batch[0] if isinstance(batch, (list, tuple)) else batch)

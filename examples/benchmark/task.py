"""What is trained: a network that predicts classes, or the next byte at each position."""

from __future__ import annotations

from typing import Any, ClassVar

import lightning as L
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import lit_optim
from benchmark.data import Examples


class BenchmarkTask(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """Trains a network, the last dimension of whose output are logits; tests it once, behind the last validation.

    Args:
        net: the network.
        test: the examples to test on.
        specs: what the mixin reads, by the names of `SPECS`.
    """

    SPECS: ClassVar = ("optimizer", "scheduler", "param_groups", "optim_callbacks", "report")

    def __init__(self, net: nn.Module, test: Examples, specs: Any) -> None:
        super().__init__()
        self.save_hyperparameters(specs)
        self.net, self.test = net, test

    def training_step(self, batch: Examples, batch_idx: int) -> Tensor:
        """Returns the loss of a batch."""
        return self._measure(batch)["loss"]

    def validation_step(self, batch: Examples, batch_idx: int) -> None:
        """Logs the loss and the accuracy."""
        self._log("val", batch)

    def on_validation_epoch_end(self) -> None:
        """Tests at the end of the run, so that a record holds it, with the weights that are validated."""
        if self.global_step == self.trainer.max_steps:
            self._log("test", self.test)

    def _log(self, stage: str, examples: Examples) -> None:
        values = self._measure(examples)
        self.log_dict({f"{stage}/{name}": value for name, value in values.items()}, batch_size=len(examples[1]))

    def _measure(self, examples: Examples) -> dict[str, Tensor]:
        x, y = examples
        logits = self.net(x)
        loss = cross_entropy(logits.flatten(0, -2), y.flatten())
        return {"loss": loss} if self.training else {"loss": loss, "acc": (logits.argmax(-1) == y).float().mean()}

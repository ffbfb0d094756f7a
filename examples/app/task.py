from __future__ import annotations

from typing import Any

import lightning as L
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics import Metric

import lit_optim


class Task(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """Trains a network to tell classes, by cross entropy; a subclass says how well it does.

    The mixin reads the optimizer, and all around it, from the hyper-parameters.

    Args:
        net: inputs -> logits; the classes are the last dimension.
        classes: how many there are.
        optimizer: preset's name or spec.
        scheduler: preset's name or spec.
        param_groups: preset's name or spec.
        optim_callbacks: preset's name or spec.
    """

    score: str  # the metric's name in logs

    def __init__(
        self,
        net: nn.Module,
        classes: int,
        optimizer: Any = "adamw",
        scheduler: Any = None,
        param_groups: Any = None,
        optim_callbacks: Any = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["net"])
        self.net = net
        self.metric = self.build_metric(classes)

    def build_metric(self, classes: int) -> Metric:
        """What is measured on the validation data."""
        raise NotImplementedError

    @property
    def logged(self) -> tuple[str, ...]:
        """The names of all that is logged."""
        return ("train/loss", "val/loss", self.score)

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        logits: Tensor = self.net(x)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch; its mean over the epoch is logged."""
        x, y = batch
        loss = _loss(self(x), y)
        self.log("train/loss", loss, on_step=False, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """The mean loss and the score, over the examples of all processes."""
        x, y = batch
        logits = self(x)
        self.metric(logits, y)
        self.log("val/loss", _loss(logits, y), prog_bar=True, sync_dist=True)
        self.log(self.score, self.metric, prog_bar=True)


def _loss(logits: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(logits.flatten(0, -2), y.flatten())

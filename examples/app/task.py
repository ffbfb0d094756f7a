"""What is trained: a network on a task, with the optimizer that the configuration chooses."""

from __future__ import annotations

from typing import Any

import lightning as L
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy
from torchmetrics.text import Perplexity

import lit_optim


class Task(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """Trains a network to predict classes, the last dimension of its logits; a subclass chooses the metric.

    The mixin reads the optimizer, the schedule, the param groups and the callbacks from the hyper-parameters.
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
        resume: Any = None,
        report: Any = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["net"])
        self.net = net
        self.metric = self.build_metric(classes)

    def build_metric(self, classes: int) -> Metric:
        """Returns the metric of the validation data."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)  # type: ignore[no-any-return]

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Returns the loss of a batch; its mean over the epoch is logged."""
        x, y = batch
        loss = _loss(self(x), y)
        self.log("train/loss", loss, on_step=False, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Logs the mean loss and the metric, over the examples of all processes."""
        x, y = batch
        logits = self(x)
        self.metric(logits, y)
        self.log("val/loss", _loss(logits, y), prog_bar=True, sync_dist=True)
        self.log(self.score, self.metric, prog_bar=True)


class Classifier(Task):
    """Predicts the class of an input."""

    score = "val/acc"

    def build_metric(self, classes: int) -> Metric:
        return MulticlassAccuracy(classes, average="micro")


class LanguageModel(Task):
    """Predicts the next code of a text, at each position."""

    score = "val/perplexity"

    def build_metric(self, classes: int) -> Metric:
        return Perplexity()


def _loss(logits: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(logits.flatten(0, -2), y.flatten())

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch.optim import Optimizer

from lit_optim.errors import ConfigError
from lit_optim.gradients import Chain, Link
from lit_optim.lightning_api import Callback, LightningModule, Trainer


class GradientTransform(Callback):
    """Puts a gradient transform on every optimizer of a run, from the start of training to its end.

    The order of all transforms is one, whatever the order of callbacks: unscale (of a gradient scaler), centralize,
    AGC, the Trainer's ``gradient_clip_val``, noise. Steps that a gradient scaler skips change and count nothing.
    """

    single: ClassVar[bool] = True  # two of one class in one spec are refused

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.link()  # refuses wrong values before anything is built

    @abstractmethod
    def link(self) -> Link:
        """The transform, anew for each optimizer."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attaches, as parameters have their names here under every strategy; refuses what cannot be."""
        self._detach()
        same = [other for other in trainer.callbacks if type(other) is type(self)]  # type: ignore[attr-defined]
        if len(same) > 1:
            raise ConfigError(f"{type(self).__name__}: {len(same)} callbacks of this kind; keep one of them")
        self.links = [self.link() for _ in trainer.optimizers]
        for link, optimizer in zip(self.links, trainer.optimizers, strict=True):
            link.active = False
            link.attach(optimizer, pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins: everything is restored now, and the search of a LearningRateFinder is over."""
        for link in self.links:
            link.active = True

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Gradients are unscaled and not yet clipped."""
        chain = Chain.of(optimizer)
        for link in self.links:
            if link.chain is chain:
                chain.prepare(link)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leaves the optimizers as they were."""
        self._detach()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leaves the optimizers as they were."""
        self._detach()

    def _detach(self) -> None:
        for link in self.links:
            link.detach()

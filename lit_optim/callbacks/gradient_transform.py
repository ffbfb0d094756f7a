from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch.optim import Optimizer

from lit_optim.errors import ConfigError
from lit_optim.gradients import Chain, Link
from lit_optim.lightning_api import Callback, LightningModule, Trainer


class GradientTransform(Callback):
    """Base of callbacks that attach a gradient transform to every optimizer for the length of a fit.

    The order does not depend on that of the callbacks: unscale (of a gradient scaler), centralize, AGC, the Trainer's
    ``gradient_clip_val``, noise. Steps that a gradient scaler skips are not counted.
    """

    single: ClassVar[bool] = True  # two of one class in one spec are an error

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.link()  # raises on wrong values before anything is built

    @abstractmethod
    def link(self) -> Link:
        """Create the transform of one optimizer."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attach the transforms, inactive; under every strategy parameters have their names by now.

        Raises:
            ConfigError: if there is another callback of this class, or nothing matches an exclusion.
        """
        self._detach()
        same = [other for other in trainer.callbacks if type(other) is type(self)]  # type: ignore[attr-defined]
        if len(same) > 1:
            raise ConfigError(f"{type(self).__name__}: {len(same)} callbacks of this kind; keep one of them")
        self.links = [self.link() for _ in trainer.optimizers]
        for link, optimizer in zip(self.links, trainer.optimizers, strict=True):
            link.active = False
            link.attach(optimizer, pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Activate the transforms, once state is restored and a LearningRateFinder is done."""
        for link in self.links:
            link.active = True

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Run the transforms that come before clipping; gradients are unscaled here."""
        chain = Chain.of(optimizer)
        for link in self.links:
            if link.chain is chain:
                chain.prepare(link)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Detach the transforms."""
        self._detach()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Detach the transforms."""
        self._detach()

    def _detach(self) -> None:
        for link in self.links:
            link.detach()

from __future__ import annotations

from typing import Any

from lit_optim.callbacks.gradient_transform import GradientTransform
from lit_optim.gradients import Noise
from lit_optim.lightning_api import LightningModule, Trainer, rank_zero_warn


class GradientNoise(GradientTransform):
    r"""Adds noise of variance :math:`\eta / (1 + t)^\gamma` to every gradient, after clipping.

    `lit_optim.gradients.Noise`: the same on all ranks and shards, and after a resume, as t is in the checkpoint.

    Args:
        eta: variance of the first step.
        gamma: how fast the variance decays.
        seed: another seed gives other noise.
        every_n: adds noise in every n-th step only, beginning with the first.
        compile: has no effect, and warns if it is true; accepted for older configurations.
        exclude: parameters without noise: names, patterns (``head.*``), types (``norm``, ``bias``).

    Raises:
        ConfigError: if a value is no variance, no power or no seed.

    Paper: Neelakantan et al. 2015, Adding Gradient Noise Improves Learning for Very Deep Networks, arXiv:1511.06807

    Example:
        >>> GradientNoise(eta=0.3).state_dict()
        {'steps': []}
    """

    def __init__(
        self,
        eta: float = 0.01,
        gamma: float = 0.55,
        seed: int = 0,
        every_n: int = 1,
        compile: bool = False,
        exclude: Any = (),
    ) -> None:
        if compile:
            rank_zero_warn("optim_callbacks.gradient_noise.compile has no effect: the noise has no compiled form")
        self.options = {"eta": eta, "gamma": gamma, "seed": seed, "every_n": every_n, "exclude": exclude}
        self.steps: list[int] = []  # of each optimizer, from the checkpoint
        super().__init__()

    def link(self) -> Noise:
        """Create the noise of one optimizer."""
        return Noise(**self.options)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Reset the steps; a checkpoint is loaded later."""
        if stage == "fit":
            self._detach()
            self.links.clear()
            self.steps.clear()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Activate the noise, at the checkpoint's step if there is one."""
        super().on_train_start(trainer, pl_module)
        for link, steps in zip(self.links, self.steps, strict=False):
            link.load_state_dict({"steps": steps})

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps that each optimizer has taken."""
        running = [link.steps for link in self.links if link.active]
        return {"steps": running or self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the number of steps of each optimizer."""
        self.steps = [int(steps) for steps in state_dict["steps"]]

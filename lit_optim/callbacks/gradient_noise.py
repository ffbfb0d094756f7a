from __future__ import annotations

from typing import Any, cast

from lit_optim.callbacks.gradient_transform import GradientTransform
from lit_optim.gradients import Noise
from lit_optim.lightning_api import LightningModule, Trainer, rank_zero_warn
from lit_optim.scheduler.logged_batches import logs_batch


class GradientNoise(GradientTransform):
    r"""Adds noise to every gradient, after clipping.

    Its norm is :math:`\sqrt{\eta / (1 + t)^\gamma}` of the gradient's; not ``relative``, that is its deviation.

    `lit_optim.gradients.Noise`: the same on all ranks and shards, and after a resume, as t is in the checkpoint. The
    norm of the noise, divided by that of the gradient, is logged as ``gradient_noise/ratio`` as often as the Trainer
    logs; a warning says once that it was above 1 for a whole epoch.

    Args:
        eta: variance of the first step.
        gamma: how fast the variance decays.
        seed: another seed gives other noise.
        every_n: adds noise in every n-th step only, beginning with the first.
        compile: has no effect, and warns if it is true; accepted for older configurations.
        exclude: parameters without noise: names, patterns (``head.*``), types (``norm``, ``bias``).
        relative: whether eta counts in mean squares of the gradient; then the ratio is its root.

    Raises:
        ConfigError: if a value is no variance, no power or no seed.

    Paper: Neelakantan et al. 2015, Adding Gradient Noise Improves Learning for Very Deep Networks, arXiv:1511.06807

    Example:
        >>> GradientNoise(eta=0.3).state_dict()
        {'steps': [], 'relative': True}
    """

    def __init__(
        self,
        eta: float = 0.01,
        gamma: float = 0.55,
        seed: int = 0,
        every_n: int = 1,
        compile: bool = False,
        exclude: Any = (),
        relative: bool = True,
    ) -> None:
        if compile:
            rank_zero_warn("optim_callbacks.gradient_noise.compile has no effect: the noise has no compiled form")
        self.options = {
            "eta": eta,
            "gamma": gamma,
            "seed": seed,
            "every_n": every_n,
            "exclude": exclude,
            "relative": relative,
        }
        self._ratios: list[list[Any]] = []  # of each optimizer, in this epoch
        self._warned = False
        self.steps: list[int] = []  # of each optimizer, from the checkpoint
        super().__init__()

    @property
    def _noises(self) -> list[Noise]:
        return cast("list[Noise]", self.links)

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
        for noise in self._noises:
            noise.relative = self.options["relative"]
        self._ratios = [[] for _ in self.links]

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Compare the norms in the steps that the Trainer logs."""
        super().on_before_optimizer_step(trainer, pl_module, optimizer)
        for noise in self._noises:
            noise.measures = logs_batch(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the ratio of the norms, without a wait for a GPU."""
        for i, noise in enumerate(self._noises):
            if noise.ratio is not None:
                name = "gradient_noise/ratio" if len(self.links) == 1 else f"gradient_noise/ratio_{i}"
                pl_module.log(name, noise.ratio.float(), on_step=True, on_epoch=False)
                self._ratios[i].append(noise.ratio)
                noise.ratio = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Warn once of an epoch in which there was more noise than gradient in every step that was measured."""
        for ratios in self._ratios:
            least = min(map(float, ratios), default=0.0)
            ratios.clear()
            if least > 1 and not self._warned:
                self._warned = True
                eta = self.options["eta"]
                rank_zero_warn(
                    f"optim_callbacks.gradient_noise.eta={eta:g}: in this epoch the noise was at least {least:.3g} "
                    "times as large as the gradient, in norm; write relative=true, or a smaller eta"
                )

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps that each optimizer has taken."""
        running = [link.steps for link in self.links if link.active]
        return {"steps": running or self.steps, **({"relative": True} if self.options["relative"] else {})}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the number of steps of each optimizer."""
        self.steps = [int(steps) for steps in state_dict["steps"]]
        relative = bool(state_dict.get("relative", False))  # older noise was absolute
        if relative != self.options["relative"]:
            text = "optim_callbacks.gradient_noise.relative={} has no effect: the checkpoint restores relative={}"
            rank_zero_warn(text.format(str(self.options["relative"]).lower(), str(relative).lower()))
            self.options["relative"] = relative

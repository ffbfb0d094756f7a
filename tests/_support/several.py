"""Small modules with several optimizers in manual optimization, and the loops that a user would write by hand."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import nn

import lit_optim

NAMES = {
    "generator": {"_target_": "adam", "lr": 2e-2, "betas": [0.5, 0.9]},
    "discriminator": {"_target_": "sgd", "lr": 0.05, "momentum": 0.9, "of": "critic"},
}
SCHEDULES = {"generator": "warmup_cosine", "discriminator": {"main": {"shape": "linear", "end_factor": 0.1}}}


class Gan(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """A generator and a critic of four numbers; the critic steps in every batch, the generator in every n-th."""

    def __init__(
        self, optimizer: Any = NAMES, scheduler: Any = SCHEDULES, param_groups: Any = None, optim_callbacks: Any = None,
        n_critic: int = 1, by_hand: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        torch.manual_seed(1)
        self.generator = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 4))
        self.critic = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        self.used: dict[str, list[float]] = {}

    def step(self, name, loss):
        optimizer = self.named_optimizers()[name]
        self.used.setdefault(name, []).append(float(optimizer.param_groups[0]["lr"]))
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        if self.hparams.by_hand:
            for schedule in self.lr_schedulers():
                schedule.step()

    def losses(self, x):
        yield "discriminator", self.critic(x).mean() - self.critic(self.generator(x).detach()).mean()
        yield "generator", self.critic(self.generator(x)).mean()

    def training_step(self, batch, batch_idx):
        for name, loss in self.losses(batch[0]):
            if name == "discriminator" or (batch_idx + 1) % self.hparams.n_critic == 0:
                self.step(name, loss)

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.critic(batch[0]).mean())

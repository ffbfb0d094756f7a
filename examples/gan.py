"""Trains a GAN on handwritten digits: two optimizers by name, each with its own schedule, chosen on the command line.

python examples/gan.py optimizer.generator.lr=1e-3 scheduler.generator.warmup=5%
python examples/gan.py optimizer@optimizer.discriminator=nadam n_critic=2 +scheduler.generator.total_steps=420
"""

from __future__ import annotations

from typing import Any

import hydra
import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, TensorDataset

import lit_optim

PIXELS, NOISE = 64, 16


class Gan(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """A generator and a discriminator; each optimizer takes the parameters of the module that it is named after."""

    def __init__(self, optimizer: Any, scheduler: Any = None, n_critic: int = 1, hidden: int = 128) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.n_critic = n_critic
        self.automatic_optimization = False  # the training step decides which optimizer steps when
        self.generator = nn.Sequential(
            nn.Linear(NOISE, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, PIXELS), nn.Sigmoid()
        )
        self.discriminator = nn.Sequential(nn.Linear(PIXELS, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
        """Steps the discriminator in every batch, the generator in every n_critic-th; the schedules follow."""
        (real,) = batch
        fake = self.generator(torch.randn(len(real), NOISE, device=self.device))
        loss = softplus(-self.discriminator(real)).mean() + softplus(self.discriminator(fake.detach())).mean()
        self.step("discriminator", loss)
        if (batch_idx + 1) % self.n_critic == 0:
            self.step("generator", softplus(-self.discriminator(fake)).mean())

    def step(self, name: str, loss: Tensor) -> None:
        """Takes one step of a named optimizer."""
        optimizer = self.named_optimizers()[name]
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        self.log(f"train/{name}", loss, prog_bar=True)

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        """Measures how far the mean and the spread of generated pixels are from those of real ones."""
        (real,) = batch
        fake = self.generator(torch.randn(len(real), NOISE, device=self.device))
        self.log("val/mean_error", (fake.mean(0) - real.mean(0)).abs().mean(), prog_bar=True)
        self.log("val/std_error", (fake.std(0) - real.std(0)).abs().mean(), prog_bar=True)


def digits() -> TensorDataset:
    """Loads 1797 digits of 8x8 pixels, with values from 0 to 1."""
    from sklearn.datasets import load_digits

    return TensorDataset(torch.tensor(load_digits().data, dtype=torch.float32) / 16)


@hydra.main(version_base="1.3", config_path="conf", config_name="gan")
@lit_optim.exit_on_config_error
def main(cfg: DictConfig) -> float:
    """Trains, and returns the error of the mean, which a sweeper may minimize."""
    lit_optim.validate(cfg)
    L.seed_everything(cfg.seed, verbose=False)
    module = Gan(cfg.optimizer, cfg.scheduler, cfg.n_critic)
    trainer = L.Trainer(**cfg.trainer, default_root_dir=HydraConfig.get().runtime.output_dir)
    data = digits()
    trainer.fit(module, DataLoader(data, cfg.batch_size, shuffle=True), DataLoader(data, len(data)))
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    print(*(f"{name}: {value:.4f}" for name, value in sorted(metrics.items())), sep="\n")
    return metrics["val/mean_error"]


if __name__ == "__main__":
    main()

"""A small module with everything that optimizers care about, and data whose order survives a resume."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch.utils.data import TensorDataset

import lit_optim
from app.loader import EpochSampler, ResumableLoader

BATCHES = 8


class Net(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """Regression; keeps the lrs that its optimizer steps really used, and what it logged."""

    def __init__(
        self, optimizer: Any = "adamw", scheduler: Any = None, param_groups: Any = None, optim_callbacks: Any = None,
        val_losses: Any = None, resume: Any = None,
    ):  # fmt: skip
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 1))
        self.used: list[list[float]] = []
        self.validations = 0

    def loss(self, batch):
        x, y = batch
        return (self.layer(x) - y).square().mean()

    def training_step(self, batch, batch_idx):
        loss = self.loss(batch)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        losses = self.hparams.val_losses
        value = (
            self.loss(batch)
            if losses is None
            else torch.tensor(float(losses[self.trainer.current_epoch % len(losses)]))
        )
        self.log("val/loss", value)

    def on_validation_end(self):
        self.validations += not self.trainer.sanity_checking

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        self.used.append([float(group["lr"]) for group in optimizer.param_groups])
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)


def data(n=4 * BATCHES):
    generator = torch.Generator().manual_seed(7)
    return TensorDataset(torch.randn(n, 4, generator=generator), torch.randn(n, 1, generator=generator))


def loader(n=4 * BATCHES, batch_size=4):
    dataset = data(n)
    return ResumableLoader(dataset, EpochSampler(dataset, seed=5), batch_size=batch_size)


def trainer(tmp_path, **options: Any) -> L.Trainer:
    quiet = dict(logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu", devices=1)
    kept = dict(enable_checkpointing=False) if "callbacks" not in options else {}
    return L.Trainer(
        **{**quiet, **kept, "default_root_dir": tmp_path, "max_epochs": 3, "use_distributed_sampler": False, **options}
    )


def fit(tmp_path, module=None, ckpt_path=None, train=None, val=None, **options: Any):
    """Fits a module (default: a Net) and returns it with its trainer."""
    module = module or Net()
    run = trainer(tmp_path, **options)
    run.fit(module, loader() if train is None else train, loader(8) if val is None else val, ckpt_path=ckpt_path)
    return module, run


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])

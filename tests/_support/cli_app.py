"""A module as LightningCLI's users write it, and the command line of its app."""

from __future__ import annotations

import os
import sys
from typing import Any
from unittest import mock

import lightning as L
import torch
from lightning.pytorch.cli import LightningCLI, SaveConfigCallback

import lit_optim
from _support.net import loader

os.environ["JSONARGPARSE_DEPRECATION_WARNINGS"] = "off"  # Lightning 2.6 calls what newer ones have renamed


class Regression(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """What all the modules here learn."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 1))
        self.used: list[float] = []

    def training_step(self, batch, batch_idx):
        x, y = batch
        return (self.layer(x) - y).square().mean()

    def test_step(self, batch, batch_idx):
        self.log("test/loss", self.training_step(batch, batch_idx))

    def train_dataloader(self):
        return loader()

    def test_dataloader(self):
        return loader(8)

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        self.used.append(float(optimizer.param_groups[0]["lr"]))
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)


class Net(Regression):
    """With the annotation that we recommend."""

    def __init__(
        self,
        width: int = 3,
        optimizer: lit_optim.SpecLike = "adamw",
        scheduler: lit_optim.SpecLike = None,
        param_groups: lit_optim.SpecLike = None,
        optim_callbacks: lit_optim.SpecLike = None,
    ):
        super().__init__()
        self.save_hyperparameters()


class Bare(Regression):
    """Without annotations."""

    def __init__(self, optimizer="adamw", scheduler=None, param_groups=None, optim_callbacks=None):
        super().__init__()
        self.save_hyperparameters()


def cli(tmp_path: Any, *arguments: str, module: Any = Net, save: bool = False, **options: Any) -> LightningCLI:
    """``python app.py <arguments>``, in this process."""
    defaults = dict(
        default_root_dir=str(tmp_path), max_steps=4, accelerator="cpu", devices=1, logger=False,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, use_distributed_sampler=False,
    )  # fmt: skip
    with mock.patch.object(sys, "argv", ["app.py"]):
        return LightningCLI(
            module,
            args=[*arguments],
            trainer_defaults={**defaults, **options.pop("trainer_defaults", {})},
            seed_everything_default=options.pop("seed", False),
            save_config_callback=SaveConfigCallback if save else None,
            **{"auto_configure_optimizers": False, "run": False, **options},
        )

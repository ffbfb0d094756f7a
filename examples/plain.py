"""Trains without Hydra: each choice is the name of a preset, or a dictionary, in Python.

python examples/plain.py
python examples/plain.py --optimizer momentum --lr 0.05 --shape linear --warmup 2ep --epochs 8
"""

from __future__ import annotations

import argparse
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset, random_split

import lit_optim


class LitNet(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """Classifies; the mixin reads the four specs from the hyper-parameters, and writes configure_optimizers."""

    def __init__(
        self,
        net: nn.Module,
        optimizer: Any = "adamw",
        scheduler: Any = None,
        param_groups: Any = None,
        optim_callbacks: Any = None,
        report: bool = True,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["net"])
        self.net = net

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """Returns the loss of a batch."""
        x, y = batch
        return cross_entropy(self.net(x), y)

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        """Logs the share of images that are read correctly."""
        x, y = batch
        self.log("val/acc", (self.net(x).argmax(1) == y).float().mean(), prog_bar=True)


def digits() -> TensorDataset:
    """Loads 1797 images of 8x8 pixels with the digits that they show."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return TensorDataset(torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(labels))


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--optimizer", default="adamw", help="any of `lit-optim list optimizer`")
    parser.add_argument("--lr", type=float, help="the preset's, if it is not given")
    parser.add_argument("--shape", default="cosine", help="of the lr after the warmup: linear, constant, ...")
    parser.add_argument("--warmup", default="5%", help="its length: 500 (steps), 5%%, 2ep (epochs)")
    parser.add_argument("--epochs", type=int, default=5)
    return parser.parse_args()


@lit_optim.exit_on_config_error  # a wrong choice: one message, exit code 2, no traceback
def main() -> None:
    """Trains, and prints the accuracy and where the report is."""
    args = arguments()
    L.seed_everything(1, verbose=False)
    train, val = random_split(digits(), [0.8, 0.2])
    module = LitNet(
        nn.Sequential(nn.Linear(64, 128), nn.LayerNorm(128), nn.ReLU(), nn.Linear(128, 10)),
        optimizer={"name": args.optimizer, **({} if args.lr is None else {"lr": args.lr})},
        scheduler={"warmup": args.warmup, "main": {"shape": args.shape}},
        param_groups="no_decay",  # a name, or a list: ["no_decay", "head_x10"]
        optim_callbacks={"ema": {"decay": 0.99}},  # {} where there is nothing to set
    )
    trainer = L.Trainer(
        max_epochs=args.epochs, accelerator="cpu", devices=1, default_root_dir="logs/plain", logger=False,
        enable_checkpointing=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, DataLoader(train, 32, shuffle=True), DataLoader(val, len(val)))
    print(f"val/acc: {trainer.callback_metrics['val/acc']:.4f}")
    print("the lr of each step: logs/plain/optim/schedule.csv")


if __name__ == "__main__":
    main()

"""Fine-tunes a network: trained on the digits 0-4 first, then on 100 images of the digits 5-9, in one of three ways.

python examples/finetune.py
python examples/finetune.py --how unfreeze --lr 3e-3 --epochs 20

It shows how each way is written. On images this small a network without pretraining is as good or better, so the
accuracies that it prints are no reason to choose a way.
"""

from __future__ import annotations

import argparse
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import lit_optim

WAYS: dict[str, dict[str, Any]] = {
    # each layer learns slower than the one after it; `layers.decay` is the factor
    "layer_decay": {"param_groups": {"layers": {"decay": 0.6}}},
    # the head alone at first; a quarter into the run the rest at a tenth of the lr, with a warmup
    "unfreeze": {
        "optim_callbacks": {
            "unfreeze": {
                "stages": {
                    "head": {"at": 0, "match": {"role": "output"}},
                    "rest": {"at": "25%", "lr": "x0.1", "warmup": "5%"},
                }
            }
        }
    },
    "all": {},  # every layer alike
}


class Reader(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """Tells five digits apart; lit_optim reads its specs from `optim_spec`, a mapping."""

    def __init__(self, **optim_spec: Any) -> None:
        super().__init__()
        self.optim_spec = optim_spec
        sizes = ((1, 16), (16, 32), (32, 32))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU()) for i, o in sizes
        )
        self.head = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(x.amax((2, 3)))
        return logits

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """Returns the loss of a batch."""
        x, y = batch
        return cross_entropy(self(x), y)

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        """Logs the share of images that are read correctly."""
        x, y = batch
        self.log("val/acc", (self(x).argmax(1) == y).float().mean(), prog_bar=True)


def digits(first: int) -> TensorDataset:
    """Loads the images of five digits, from ``first`` on."""
    from sklearn.datasets import load_digits

    pixels, labels = (torch.tensor(array) for array in load_digits(return_X_y=True))
    chosen = (labels >= first) & (labels < first + 5)
    return TensorDataset(pixels[chosen].float().reshape(-1, 1, 8, 8) / 16, labels[chosen] - first)


def fit(module: Reader, train: TensorDataset, val: TensorDataset, epochs: int) -> float:
    """Trains, and returns the accuracy."""
    trainer = L.Trainer(
        max_epochs=epochs, accelerator="cpu", devices=1, default_root_dir="logs/finetune", logger=False,
        enable_checkpointing=False, enable_model_summary=False, log_every_n_steps=1,
    )  # fmt: skip
    trainer.fit(module, DataLoader(train, 32, shuffle=True), DataLoader(val, len(val)))
    return float(trainer.callback_metrics["val/acc"])


@lit_optim.exit_on_config_error
def main() -> None:
    """Pretrains, fine-tunes, and prints the accuracy beside that of a network that was not pretrained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--how", choices=WAYS, default="layer_decay")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--epochs", type=int, default=15, help="of fine-tuning")
    args = parser.parse_args()
    tuned = {"optimizer": {"name": "adamw", "lr": args.lr}, "scheduler": "warmup_cosine", **WAYS[args.how]}
    lit_optim.validate(tuned)  # before anything is trained
    L.seed_everything(1, verbose=False)
    old, new = digits(0), digits(5)
    few, rest = (TensorDataset(*part) for part in (new[:100], new[100:]))
    pretrained = Reader(optimizer="adamw", scheduler="one_cycle")
    print(f"pretraining on 0-4:  val/acc {fit(pretrained, old, old, epochs=min(5, args.epochs)):.4f}")
    module = Reader(**tuned, report=True)
    module.blocks.load_state_dict(pretrained.blocks.state_dict())  # the head begins anew
    accuracy = fit(module, few, rest, args.epochs)
    fresh = fit(Reader(optimizer=tuned["optimizer"], scheduler="warmup_cosine"), few, rest, args.epochs)
    print(f"5-9, {args.how}:  val/acc {accuracy:.4f};  without pretraining {fresh:.4f}")
    print("the lr of each step, by group: logs/finetune/optim/schedule.csv")


if __name__ == "__main__":
    main()

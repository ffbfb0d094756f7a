"""Trains by LightningCLI; the optimizer is chosen in a config file and on the command line.

python examples/cli.py fit --config examples/conf/cli.yaml
python examples/cli.py fit --config examples/conf/cli.yaml --model.optimizer momentum --model.optimizer.lr 0.05
"""

from __future__ import annotations

import lightning as L
from lightning.pytorch.cli import LightningCLI
from torch import Tensor
from torch.nn.functional import cross_entropy

import lit_optim
from app.data import Digits
from app.nets import Cnn


class LitCnn(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """Reads digits; SpecLike is what lets the command line take names, and single keys of them."""

    def __init__(
        self,
        width: int = 16,
        optimizer: lit_optim.SpecLike = "adamw",
        scheduler: lit_optim.SpecLike = None,
        param_groups: lit_optim.SpecLike = None,
        optim_callbacks: lit_optim.SpecLike = None,
        report: bool = True,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = Cnn(Digits.shape, Digits.classes, width=width)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """Returns the loss of a batch."""
        x, y = batch
        return cross_entropy(self.net(x), y)

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        """Logs the share of images that are read correctly."""
        x, y = batch
        self.log("val/acc", (self.net(x).argmax(1) == y).float().mean(), prog_bar=True)


@lit_optim.exit_on_config_error  # what is wrong only in training: one message, exit code 2
def main() -> None:
    """Runs the subcommand: fit, validate, ..."""
    # the optimizer is the module's: without the False, --optimizer of LightningCLI would be a second one
    cli = LightningCLI(LitCnn, Digits, auto_configure_optimizers=False, save_config_kwargs={"overwrite": True})
    if "val/acc" in cli.trainer.callback_metrics:
        print(f"val/acc: {cli.trainer.callback_metrics['val/acc']:.4f}")


if __name__ == "__main__":
    main()

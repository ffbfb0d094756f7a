"""Trains a small transformer to write like Python's manual: Muon for its matrices, AdamW for the rest.

python examples/language_model.py
python examples/language_model.py --optimizer adamw --lr 3e-3 --steps 500
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

LENGTH = 64  # bytes in a sequence


class LanguageModel(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """Predicts the next byte; which layer is an embedding, and which the output, lit_optim finds by itself."""

    def __init__(
        self, optimizer: Any, scheduler: Any = None, dim: int = 64, depth: int = 2, heads: int = 4, report: bool = True
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.token, self.position = nn.Embedding(256, dim), nn.Embedding(LENGTH, dim)
        block = nn.TransformerEncoderLayer(dim, heads, 4 * dim, 0.0, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, depth, nn.LayerNorm(dim), enable_nested_tensor=False)
        self.output = nn.Linear(dim, 256, bias=False)

    def forward(self, codes: Tensor) -> Tensor:
        length = codes.shape[1]
        x = self.token(codes) + self.position(torch.arange(length, device=codes.device))
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=codes.device)
        logits: Tensor = self.output(self.blocks(x, mask, is_causal=True))
        return logits

    def loss(self, codes: Tensor) -> Tensor:
        """Returns the mean loss of a batch of sequences, each with one byte more than is read."""
        return cross_entropy(self(codes[:, :-1]).flatten(0, 1), codes[:, 1:].flatten())

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """Returns the loss of a batch."""
        return self.loss(batch[0])

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        """Logs the mean loss, in bits a byte."""
        self.log("val/bits", self.loss(batch[0]) / 0.6931, prog_bar=True)

    @torch.no_grad()
    def write(self, start: str, count: int) -> str:
        """Returns a text that goes on, by the most probable byte each time but for a little chance."""
        codes = torch.tensor([list(start.encode())])
        for _ in range(count):
            likely = (self(codes[:, -LENGTH:])[:, -1] / 0.7).softmax(-1)
            codes = torch.cat([codes, torch.multinomial(likely, 1)], 1)
        return bytes(codes[0].tolist()).decode(errors="replace")


def text(limit: int = 200_000) -> tuple[TensorDataset, TensorDataset]:
    """Cuts the manual that is part of Python into sequences; the last tenth is to validate on."""
    from pydoc_data.topics import topics

    content = "\n".join(topics[name] for name in sorted(topics)).encode()[:limit]
    codes = torch.frombuffer(bytearray(content), dtype=torch.uint8).long().unfold(0, LENGTH + 1, LENGTH)
    cut = len(codes) * 9 // 10
    return TensorDataset(codes[:cut]), TensorDataset(codes[cut:])


@lit_optim.exit_on_config_error
def main() -> None:
    """Trains, and prints the loss and a text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--optimizer", default="muon_adamw", help="any of `lit-optim list optimizer`")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--steps", type=int, default=300)
    args = parser.parse_args()
    L.seed_everything(1, verbose=False)
    train, val = text()
    module = LanguageModel({"name": args.optimizer, "lr": args.lr}, {"name": "warmup_wsd", "warmup": "5%"})
    trainer = L.Trainer(
        max_steps=args.steps, accelerator="cpu", devices=1, default_root_dir="logs/language_model", logger=False,
        enable_checkpointing=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, DataLoader(train, 32, shuffle=True), DataLoader(val, 64))
    trainer.validate(module, DataLoader(val, 64), verbose=False)
    print(f"val/bits: {trainer.callback_metrics['val/bits']:.4f} a byte")
    print(f"it writes: {module.write('The ', 100)!r}")


if __name__ == "__main__":
    main()

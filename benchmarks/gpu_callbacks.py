"""A Lightning step on a GPU with the finite guard, `Record` and `Health`: fits that take turns step by step.

The GPU is waited for at both ends of every step. Medians see no step in 50: those that `Record` and `Health` measure are
not in them. Without a GPU it says so and exits 0.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import lightning as L
import torch
from torch import nn

import lit_optim
from benchmarks.finite_guard import convolutional
from benchmarks.interleave import table
from benchmarks.lightning_step import elapsed_on_gpu, in_turn
from lit_optim.callbacks import FiniteGuard, Health, Record

STEPS = 400


class Fitted(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """A net under adamw with a schedule."""

    def __init__(self, net: nn.Module, callback: Callable[[], Any] | None) -> None:
        super().__init__()
        self.optim_spec = {"optimizer": "adamw", "scheduler": "warmup_cosine"}
        self.net, self.callback = net, callback

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return self.net(batch[0]).square().mean()

    def configure_callbacks(self) -> list[Any]:
        return [*super().configure_callbacks(), *([self.callback()] if self.callback else [])]


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "MLP, 6 tensors, 0.1 M, batch 32": (
        lambda: nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 64)),
        (32, 64),
    ),
    "8 convolutions with BatchNorm, width 256, batch 256": (partial(convolutional, 256), (256, 64)),
    "transformer, 6 layers, 19 M, 16 x 256 tokens": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(512, 8, 2048, 0.0, batch_first=True), 6),
        (16, 256, 512),
    ),
}
CALLBACKS: dict[str, Callable[[], Any] | None] = {
    "without": None,
    "finite: skip": partial(FiniteGuard, "skip"),
    "finite: rollback": partial(FiniteGuard, "rollback"),
    "record": Record,
    "health": Health,
    "without, once more": None,
}


def main() -> None:
    if not torch.cuda.is_available():
        print("no CUDA device: nothing was measured")
        return
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, float32\n")
    for title, (net, shape) in NETS.items():
        modules = {name: Fitted(net(), callback) for name, callback in CALLBACKS.items()}
        timings = in_turn(modules, STEPS, batch=torch.randn(shape, device="cuda"), now=elapsed_on_gpu)
        print(table(f"A Lightning step on a GPU: {title}", timings), flush=True)


if __name__ == "__main__":
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    main()

"""A Lightning step on a GPU with the finite guard, `Record` and `Health`: elapsed time of whole fits that take turns.

The GPU is waited for at both ends of the steps that are timed. Without a GPU it says so and exits 0.
"""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import lightning as L
import torch
from torch import nn

import lit_optim
from benchmarks.finite_guard import convolutional
from benchmarks.interleave import interleaved, table
from lit_optim.callbacks import FiniteGuard, Health, Record

FIRST, STEPS = 60, 360  # six times 50 steps are timed


class Fitted(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """A net under adamw with a schedule."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.optim_spec = {"optimizer": "adamw", "scheduler": "warmup_cosine"}
        self.net = net

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return self.net(batch).square().mean()


class Batches:
    """One batch that is on the GPU already, many times."""

    def __init__(self, batch: torch.Tensor) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return STEPS

    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter([self.batch] * STEPS)


class Clock(L.Callback):
    """Seconds a step, after the first ones."""

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step == FIRST:
            torch.cuda.synchronize()
            self.begin = time.perf_counter()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        torch.cuda.synchronize()
        self.seconds = (time.perf_counter() - self.begin) / (STEPS - FIRST)


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
CALLBACKS: dict[str, Callable[[], list[Any]]] = {
    "without": list,
    "finite: skip": lambda: [FiniteGuard("skip")],
    "finite: rollback": lambda: [FiniteGuard("rollback")],
    "record": lambda: [Record()],
    "health": lambda: [Health()],
    "without, once more": list,
}


def seconds_a_step(net: Callable[[], nn.Module], batch: torch.Tensor, callbacks: Callable[[], list[Any]]) -> float:
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = L.Trainer(
            max_epochs=1, accelerator="gpu", devices=1, logger=False, enable_checkpointing=False, default_root_dir=folder,
            enable_progress_bar=False, enable_model_summary=False, callbacks=[*callbacks(), clock],
        )  # fmt: skip
        trainer.fit(Fitted(net()), Batches(batch))
    return clock.seconds


def main(rounds: int = 4) -> None:
    if not torch.cuda.is_available():
        print("no CUDA device: nothing was measured")
        return
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, float32\n")
    for title, (net, shape) in NETS.items():
        batch = torch.randn(shape, device="cuda")
        variants = {name: partial(seconds_a_step, net, batch, each) for name, each in CALLBACKS.items()}
        variants["without"]()  # kernels are chosen
        print(table(f"A Lightning step on a GPU: {title}", interleaved(variants, rounds)), flush=True)


if __name__ == "__main__":
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    main()

"""A whole Lightning step of a small MLP (6 tensors, 0.1 M parameters, batch 32), and what our hooks cost in it."""

from __future__ import annotations

import logging
import statistics
import time
import warnings
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import lightning as L
import torch
from torch import nn

import lit_optim
from benchmarks.interleave import cpu_seconds, interleaved, table
from lit_optim.optimizers.implementation import lay_out

STEPS = 300


class Plain(L.LightningModule):
    """The module as written by hand."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options
        self.net = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 64))

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return self.net(batch[0]).square().mean()

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), **self.options)


class WithLambdaLR(Plain):
    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 1e9)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Configured(lit_optim.ConfigureOptimizersMixin, Plain):
    """The same with the mixin, the adamw preset and a schedule."""

    def __init__(self, scheduler: str = "warmup_cosine") -> None:
        super().__init__()
        self.optim_spec = {"optimizer": "adamw", "scheduler": scheduler}


class Batches:
    """Batches that are there already: collating them would cost more than the step."""

    def __init__(self) -> None:
        self.batch = [torch.randn(32, 64)]

    def __len__(self) -> int:
        return STEPS

    def __iter__(self) -> Iterator[list[torch.Tensor]]:
        return iter([self.batch] * STEPS)


class Clock(L.Callback):
    """CPU times of the steps after the first tenth, where nothing is set up any more."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step >= STEPS // 10:
            self.times.append(time.process_time())

    @property
    def seconds(self) -> float:
        """The median: what interrupts single steps is not the code's."""
        return statistics.median(later - earlier for earlier, later in pairwise(self.times))


def seconds_a_step(module: L.LightningModule) -> float:
    clock = Clock()
    trainer = L.Trainer(
        max_epochs=1, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[clock],
    )  # fmt: skip
    trainer.fit(module, Batches())
    return clock.seconds


def main(rounds: int = 40) -> None:
    by_hand = {
        "by hand: AdamW(params)": lambda: seconds_a_step(Plain()),
        "by hand: AdamW(params, fused=True)": lambda: seconds_a_step(Plain(fused=True)),
        "lit-optim: adamw, no schedule": lambda: seconds_a_step(Configured("none")),
        "lit-optim: adamw + warmup_cosine": lambda: seconds_a_step(Configured()),
    }
    print(table("A Lightning step", interleaved(by_hand, rounds), "Goal: at most 0.80 of the module written by hand."))
    same = {
        "by hand: AdamW(params, fused=True) + LambdaLR": lambda: seconds_a_step(WithLambdaLR(fused=True)),
        "lit-optim: adamw + warmup_cosine": lambda: seconds_a_step(Configured()),
        "by hand, once more": lambda: seconds_a_step(WithLambdaLR(fused=True)),  # what the machine adds
    }
    title = "A Lightning step, the mixin against the same optimizer and a schedule by hand"
    print(table(title, interleaved(same, rounds), "Goal: at most 1.03."))

    module = Configured()
    module.net(torch.randn(32, 64)).square().mean().backward()
    optimizer = lit_optim.build_optimizer("adamw", module)
    scheduler = lit_optim.build_scheduler("warmup_cosine", optimizer, total_steps=10**9)
    parts = {
        "ScheduleLR.step()": scheduler.step,
        "check of gradients and strides": lambda: lay_out(optimizer),
    }
    costs = {name: cpu_seconds(part, 20_000) * 1e6 for name, part in parts.items()}
    print("our own calls in a step, timed alone (goal: at most 50 us together):")
    for name, cost in {**costs, "together": sum(costs.values())}.items():
        print(f"  {name:32} {cost:6.2f} us")


if __name__ == "__main__":
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    main()

"""A whole Lightning step of a small MLP (6 tensors, 0.1 M parameters, batch 32), and what our hooks cost in it.

Differences of a percent are measured by fits that take turns step by step, each in its own thread: even a quiet machine
changes its speed by more than that from one fit to the next.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import lightning as L
import torch
from torch import nn

import lit_optim
from benchmarks.interleave import Timing, cpu_seconds, interleaved, table, timing
from lit_optim.torch_backend.layout import lay_out

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

    def __init__(self, steps: int, batch: torch.Tensor | None = None) -> None:
        self.batches = [[torch.randn(32, 64) if batch is None else batch]] * steps

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[torch.Tensor]]:
        return iter(self.batches)


def elapsed_on_gpu() -> float:
    """Seconds, once the GPU has done all that it was given."""
    torch.cuda.synchronize()
    return time.perf_counter()


class Clock(L.Callback):
    """Times of the steps after the first tenth, where nothing is set up any more; between two steps others may run."""

    def __init__(
        self, steps: int, wait: Callable[[], None] = lambda: None, now: Callable[[], float] = time.thread_time
    ) -> None:
        self.skipped, self.wait, self.now, self.times = steps // 10, wait, now, list[float]()
        self.begin = 0.0

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        now = self.now()
        if trainer.global_step > self.skipped:
            self.times.append(now - self.begin)
        self.wait()
        self.begin = self.now()


def fit(module: L.LightningModule, steps: int, *callbacks: L.Callback, batch: torch.Tensor | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:  # for callbacks that write
        trainer = L.Trainer(
            max_epochs=1, accelerator="cpu" if batch is None or batch.device.type == "cpu" else "gpu", devices=1,
            logger=False, enable_checkpointing=False, default_root_dir=folder, enable_progress_bar=False,
            enable_model_summary=False, callbacks=[*callbacks],
        )  # fmt: skip
        trainer.fit(module, Batches(steps, batch))


def seconds_a_step(module: L.LightningModule, *callbacks: L.Callback) -> float:
    clock = Clock(STEPS)
    fit(module, STEPS, *callbacks, clock)
    return statistics.median(clock.times)  # what interrupts single steps is not the code's


def in_turn(
    modules: Mapping[str, L.LightningModule],
    steps: int,
    *,
    batch: torch.Tensor | None = None,
    now: Callable[[], float] = time.thread_time,
) -> list[Timing]:
    """Fits all modules at once, a step of each in turn; the first is the baseline, a pair is two steps of one round."""
    turns = [threading.Semaphore(0) for _ in modules]
    clocks = [Clock(steps, now=now) for _ in modules]

    def give(i: int) -> None:
        turns[(i + 1) % len(turns)].release()

    def take(i: int) -> None:
        give(i)
        turns[i].acquire()

    def run(i: int, module: L.LightningModule) -> None:
        clocks[i].wait = partial(take, i)
        turns[i].acquire()
        try:
            fit(module, steps, clocks[i], batch=batch)
        finally:
            for _ in range(steps):
                give(i)  # the others finish without waiting

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(modules.values())]
    for thread in threads:
        thread.start()
    turns[0].release()
    for thread in threads:
        thread.join()
    return [timing(name, clock.times, clocks[0].times) for name, clock in zip(modules, clocks, strict=True)]


def main(rounds: int = 40) -> None:
    by_hand = {
        "by hand: AdamW(params)": lambda: seconds_a_step(Plain()),
        "by hand: AdamW(params, fused=True)": lambda: seconds_a_step(Plain(fused=True)),
        "lit-optim: adamw, no schedule": lambda: seconds_a_step(Configured("none")),
        "lit-optim: adamw + warmup_cosine": lambda: seconds_a_step(Configured()),
    }
    print(table("A Lightning step", interleaved(by_hand, rounds), "Goal: at most 0.80 of the module written by hand."))
    same = {
        "by hand: AdamW(params, fused=True) + LambdaLR": WithLambdaLR(fused=True),
        "lit-optim: adamw + warmup_cosine": Configured(),
        "by hand, once more": WithLambdaLR(fused=True),  # how far the figures can be trusted
    }
    title = "A Lightning step of the mixin, and of the same optimizer with a schedule by hand"
    print(table(title, in_turn(same, steps=6000), "Goal: at most 1.03."))

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

"""A Lightning step with and without `Health`: of the small MLP, and of a net whose step takes some time.

A measured step copies the weights and reads weights and gradients a few times; all others call one hook. Medians see no
step in 50: what the measured ones add is a 50th of what they add in a run that measures all.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from typing import Any

import torch

from benchmarks.finite_guard import convolutional
from benchmarks.interleave import table
from benchmarks.lightning_step import Configured, in_turn
from lit_optim.callbacks import Health


class Measured(Configured):
    """The mixin's module with a callback that measures every n-th step, or none."""

    def __init__(self, every: int | None = None, *, convolutions: bool = False) -> None:
        super().__init__()
        self.every, self.folder = every, tempfile.mkdtemp()
        if convolutions:  # 26 tensors, 0.26 M parameters
            self.net = convolutional()

    def configure_callbacks(self) -> list[Any]:
        health = [] if self.every is None else [Health(self.every, self.folder)]
        return [*super().configure_callbacks(), *health]


def report(title: str, modules: dict[str, Any], steps: int) -> None:
    timings = in_turn(modules, steps)
    print(table(title, timings))
    base, rare, always, _ = (timing.median for timing in timings)
    print(f"At n = 50 measured steps add {(always - rare) / 50 / base:.1%} (goal: with the others at most 3 %).\n")


def main(steps: int = 600) -> None:
    variants = {"without": None, "n = 50, median": 50, "n = 1": 1, "without, once more": None}
    for convolutions, title in (
        (False, "A step of the MLP of lightning_step, with health every n steps"),
        (True, "A step of 8 convolutions with BatchNorm, 0.26 M parameters, batch 32"),
    ):
        modules = {name: Measured(every, convolutions=convolutions) for name, every in variants.items()}
        report(title, modules, steps // 10 if convolutions else steps)


if __name__ == "__main__":
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    main()

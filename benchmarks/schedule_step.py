"""``ScheduleLR.step()`` against torch's own, with 1 and with 100 param groups: every preset.

Those that drive the lr are compared with ``LambdaLR``, those that drive the momentum too with ``OneCycleLR``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

import lit_optim
from benchmarks.interleave import cpu_seconds, interleaved, table

TOTAL = 10_000_000
ONE_CYCLE = {"main": {"shape": "one_cycle", "start_factor": 0.0, "end_factor": 0.0}, "values": [0.85, 0.95]}
TRIANGLE = {"main": {"shape": "triangular", "step_size_up": "5%", "base_factor": 0.0}, "values": [0.8, 0.9]}
DRIVEN = {"one_cycle": ONE_CYCLE, "warmup_one_cycle": ONE_CYCLE, "triangular": TRIANGLE}


def optimizer_of(name: str, groups: int) -> torch.optim.Optimizer:
    cls, options = {"sgd": (torch.optim.SGD, {"momentum": 0.9}), "adamw": (torch.optim.AdamW, {})}[name]
    optimizer: torch.optim.Optimizer = cls([{"params": [torch.zeros(1)]} for _ in range(groups)], lr=0.1, **options)
    optimizer.step()
    return optimizer


def a_cosine(optimizer: torch.optim.Optimizer) -> LRScheduler:
    return LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / TOTAL)))


def compared(title: str, baseline: LRScheduler, ours: dict[str, LRScheduler], rounds: int, goal: float) -> None:
    """Prints a table; the first row is torch's."""
    repeat = max(4000 // len(baseline.optimizer.param_groups), 40)

    def timing(scheduler: LRScheduler) -> Callable[[], float]:
        return lambda: cpu_seconds(scheduler.step, repeat)

    schedulers = {f"torch {type(baseline).__name__}": baseline, **ours}
    timings = interleaved({name: timing(scheduler) for name, scheduler in schedulers.items()}, rounds)
    print(table(title, timings, f"Goal: at most {goal} of {type(baseline).__name__}."))


def main(rounds: int = 20) -> None:
    warnings.simplefilter("ignore")  # the exponent of exp_range ends below the smallest number
    for groups, goal in ((1, 0.5), (100, 0.2)):
        many = f"{groups} group{'s' * (groups > 1)}"

        def built(name: str, optimizer: str, count: int = groups, **overrides: Any) -> LRScheduler:
            return lit_optim.build_scheduler(name, optimizer_of(optimizer, count), total_steps=TOTAL, **overrides)

        presets = {name: built(name, "sgd") for name in lit_optim.presets("scheduler")}
        compared(f"scheduler.step(), {many}, lr only", a_cosine(optimizer_of("sgd", groups)), presets, rounds, goal)
        for name in ("sgd", "adamw"):
            one_cycle = OneCycleLR(optimizer_of(name, groups), 0.1, total_steps=TOTAL)
            driven = {preset: built(preset, name, drive={"momentum": drive}) for preset, drive in DRIVEN.items()}
            compared(f"scheduler.step(), {many}, lr and momentum of {name}", one_cycle, driven, rounds, 0.5)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

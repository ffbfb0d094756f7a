"""``ScheduleLR.step()`` against ``LambdaLR.step()``, with 1 and with 100 param groups."""

from __future__ import annotations

import math

import torch
from torch.optim.lr_scheduler import LambdaLR

from benchmarks.interleave import cpu_seconds, interleaved, table
from lit_optim import ScheduleLR

TOTAL = 10_000_000
SLOTS = {
    "constant": {"main": {"shape": "constant"}},
    "cosine": {"main": {"shape": "cosine"}},
    "warmup_cosine": {"warmup": {"steps": 500}, "main": {"shape": "cosine"}},
    "warmup_step": {"warmup": {"steps": 500}, "main": {"shape": "step", "step_size": 1000}},
    "warmup_one_cycle": {"warmup": {"steps": 500}, "main": {"shape": "one_cycle", "pct_start": 0.0}},
    "warmup_cosine_restarts": {
        "warmup": {"steps": 500},
        "main": {"shape": "cosine_restarts", "cycles": 3, "period_mult": 2},
    },
    "warmup_plateau": {"warmup": {"steps": 500}, "main": {"shape": "plateau"}},
}


def _optimizer(groups: int) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)]} for _ in range(groups)], lr=0.1)
    optimizer.step()
    return optimizer


def main(rounds: int = 40) -> None:
    for groups, repeat in ((1, 4000), (100, 150)):
        baseline = LambdaLR(_optimizer(groups), lambda step: 0.5 * (1 + math.cos(math.pi * step / TOTAL)))
        baseline.optimizer.step()
        schedulers = {name: ScheduleLR(_optimizer(groups), total_steps=TOTAL, **slots) for name, slots in SLOTS.items()}
        variants = {"torch LambdaLR, a cosine": lambda s=baseline, n=repeat: cpu_seconds(s.step, n)}
        variants |= {name: lambda s=s, n=repeat: cpu_seconds(s.step, n) for name, s in schedulers.items()}
        goal = f"Goal: at most {0.5 if groups == 1 else 0.2} of LambdaLR."
        print(table(f"scheduler.step(), {groups} group{'s' * (groups > 1)}", interleaved(variants, rounds), goal))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

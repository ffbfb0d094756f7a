"""A step with 100 param groups that differ in lr and weight decay only, against the same parameters in one group."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from benchmarks.interleave import cpu_seconds, interleaved, table
from benchmarks.workloads import parameters
from lit_optim.optimizers import SGDW, AdaBound

GROUPS = 100
OURS = {
    "AdaBound eager": lambda params: AdaBound(params, lr=1e-3, weight_decay=1e-2),
    "AdaBound compiled": lambda params: AdaBound(params, lr=1e-3, weight_decay=1e-2, compile=True),
    "SGDW eager": lambda params: SGDW(params, lr=1e-3, weight_decay=1e-2),
    "SGDW compiled": lambda params: SGDW(params, lr=1e-3, weight_decay=1e-2, compile=True),
    "torch AdamW(fused=True)": lambda params: AdamW(params, lr=1e-3, weight_decay=1e-2, fused=True),
}


def grouped(params: list[Tensor]) -> list[dict[str, object]]:
    """Every group with numbers of its own."""
    parts = [params[i::GROUPS] for i in range(GROUPS)]
    return [{"params": p, "lr": 1e-3 + i * 1e-6, "weight_decay": 1e-2 + i * 1e-5} for i, p in enumerate(parts)]


def seconds(optimizer: Optimizer, repeat: int) -> float:
    """A step under a schedule: the lr changes each time, for all groups in the same way."""

    def step() -> None:
        for group in optimizer.param_groups:
            group["lr"] *= 0.9999
        optimizer.step()

    return cpu_seconds(step, repeat)


def main(rounds: int = 20) -> None:
    for workload, repeat in (("tiny", 40), ("W2", 2)):
        for name, build in OURS.items():
            one, many = build(parameters(workload)), build(grouped(parameters(workload)))
            for optimizer in (one, many):
                optimizer.step()
            variants = {
                "1 group": lambda o=one, n=repeat: seconds(o, n),
                f"{GROUPS} groups": lambda o=many, n=repeat: seconds(o, n),
            }
            goal = "" if name.startswith("torch") else "Goal: at most 1.5."
            print(table(f"{name}, {workload}, lr changing", interleaved(variants, rounds), goal), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

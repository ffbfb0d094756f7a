"""Lookahead around AdamW (fused), k = 5: per step, and one interpolation alone, against a bare AdamW step."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.interleave import cpu_seconds, interleaved, table
from benchmarks.workloads import parameters
from lit_optim.optimizers import Lookahead

K = 5
FORMS = {"eager": False, "compiled": True}


def stepping(workload: str) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters(workload), lr=1e-6, fused=True)


def main(rounds: int = 12) -> None:
    for workload in ("W2", "W5"):
        bare = stepping(workload)
        around = {name: stepping(workload) for name in FORMS}
        lookaheads = {n: Lookahead(K, compile=FORMS[n]).attach(optimizer) for n, optimizer in around.items()}
        steps: dict[str, Callable[[], object]] = {"torch AdamW(fused=True)": bare.step}
        steps |= {f"Lookahead, {name}": optimizer.step for name, optimizer in around.items()}
        for work in steps.values():
            cpu_seconds(work, K)  # state is made, kernels are compiled
        timed = {name: lambda work=work: cpu_seconds(work, K) for name, work in steps.items()}
        goal = f"Goal: at most 1.16 eager, 1.12 compiled; the traffic of memory alone is {1 + 4 / 7 / K:.2f}."
        print(table(f"{workload}: a step, k = {K}", interleaved(timed, rounds), goal, "ms a step", 1e3))
        works = {"torch AdamW(fused=True)": bare.step}
        works |= {f"interpolation, {name}": lookahead.synchronize for name, lookahead in lookaheads.items()}
        timed = {name: lambda work=work: cpu_seconds(work, 2) for name, work in works.items()}
        goal = "Goal: at most 0.75 eager, 0.55 compiled."
        print(table(f"{workload}: one interpolation", interleaved(timed, rounds), goal, "ms", 1e3))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

"""SWATS against torch's fused Adam and SGD: a step of Adam with both dot products, and a step after the switch."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

import torch

from benchmarks.interleave import Timing, cpu_seconds, interleaved, table
from benchmarks.workloads import parameters
from lit_optim.optimizers import SWATS

NEVER = dict(lr=1e-5, switch_tol=0.0)
TARGET = 0.05  # seconds of one measurement, about


def timed(optimizer: torch.optim.Optimizer) -> Callable[[], float]:
    """Seconds of a step; how many are taken at once depends on how long one takes."""
    for _ in range(3):
        optimizer.step()
    repeat = max(1, round(TARGET / max(cpu_seconds(optimizer.step, 3), 1e-6)))
    return lambda: cpu_seconds(optimizer.step, repeat)


def switched(workload: str, **options: bool) -> SWATS:
    """One that is in its SGD phase, with the same numbers as the SGD that it is compared to."""
    optimizer = SWATS(parameters(workload), **NEVER, **options)
    optimizer.step()
    assert optimizer.switch()
    return optimizer


def adam_phase(workload: str, rounds: int) -> list[Timing]:
    variants = {
        "torch Adam(fused=True)": timed(torch.optim.Adam(parameters(workload), lr=1e-5, fused=True)),
        "SWATS, Adam phase, compiled": timed(SWATS(parameters(workload), **NEVER, compile=True)),
        "SWATS, Adam phase, eager": timed(SWATS(parameters(workload), **NEVER)),
    }
    return interleaved(variants, rounds)


def sgd_phase(workload: str, rounds: int) -> list[Timing]:
    variants = {
        "torch SGD(momentum, fused=True)": timed(torch.optim.SGD(parameters(workload), 1e-6, 0.9, fused=True)),
        "SWATS, SGD phase, compiled": timed(switched(workload, compile=True)),
        "SWATS, SGD phase, eager": timed(switched(workload)),
    }
    return interleaved(variants, rounds)


def main(workloads: list[str], rounds: int = 20) -> None:
    goals = {"W3": "1.0"}
    for workload in workloads:
        goal = f"Goal: at most {goals.get(workload, '1.10')} compiled, 3.7 eager."
        print(table(f"SWATS before the switch, {workload}", adam_phase(workload, rounds), goal))
        print(table(f"SWATS after the switch, {workload}", sgd_phase(workload, rounds), "Goal: at most 1.05 compiled."))


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    main(sys.argv[1:] or ["W2", "W3", "W5"])

"""SWATS against torch's fused Adam and SGD: a step of Adam with both dot products, and a step after the switch."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any

import lightning as L
import torch

from benchmarks.interleave import Timing, cpu_seconds, interleaved, table
from benchmarks.lightning_step import STEPS, Configured, fit, seconds_a_step
from benchmarks.workloads import parameters
from lit_optim.callbacks import SWATS as Callback
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


class Hooks(L.Callback):
    """What the callback's hooks of a step cost, timed alone in the middle of a run."""

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, i: int
    ) -> None:
        if trainer.global_step == STEPS // 2:
            callback = next(each for each in trainer.callbacks if isinstance(each, Callback))
            (history,) = callback._histories

            def hooks() -> None:
                history._last = -2  # as if this step had not been seen
                callback.on_train_batch_start(trainer, module, batch, i)
                callback.on_train_batch_end(trainer, module, outputs, batch, i)

            self.seconds = cpu_seconds(hooks, 5_000)


def hooks() -> str:
    """The share of a Lightning step of the MLP of `benchmarks.lightning_step`."""
    module, timed_hooks = Configured("none"), Hooks()
    module.optim_spec["optim_callbacks"] = Callback(switch_tol=0.0)
    step = seconds_a_step(module)
    fit(module, STEPS, timed_hooks)
    cost = timed_hooks.seconds
    return f"hooks of the callback: {cost * 1e6:.1f} us of a Lightning step of {step * 1e6:.0f} us ({cost / step:.1%})"


def main(workloads: list[str], rounds: int = 20) -> None:
    goals = {"W3": "1.0"}
    for workload in workloads:
        goal = f"Goal: at most {goals.get(workload, '1.10')} compiled, 3.7 eager."
        print(table(f"SWATS before the switch, {workload}", adam_phase(workload, rounds), goal))
        print(table(f"SWATS after the switch, {workload}", sgd_phase(workload, rounds), "Goal: at most 1.05 compiled."))
    print(hooks())


if __name__ == "__main__":
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    main(sys.argv[1:] or ["W2", "W3", "W5"])

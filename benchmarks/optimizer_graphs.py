"""How many kernels 11 optimizers compile over 1000 learning rates, with gradients that come and go; torch's own beside.

Goal: one for each text, dtype and set of constants; none after the first step.
"""

from __future__ import annotations

import itertools
import time

import torch

from benchmarks.workloads import mlp
from lit_optim.engine.compile_rule import compiled_kernels
from lit_optim.optimizers import SGDW, AdaBound, AdaBoundW, Adam, compiled

STEPS = 1000
OPTIMIZERS = {
    "AdaBound": AdaBound,
    "AMSBound": lambda p, lr: AdaBound(p, lr, amsbound=True),
    "AdaBoundW": lambda p, lr: AdaBoundW(p, lr, weight_decay=1e-2),
    "SGDW": lambda p, lr: SGDW(p, lr, weight_decay=1e-2),
    "SGDW, nesterov": lambda p, lr: SGDW(p, lr, weight_decay=1e-2, nesterov=True),
    "Adam": Adam,
    **{name: getattr(compiled, name) for name in ("NAdam", "RAdam", "RMSprop", "Adadelta", "Adamax")},
}


def parameters(scale: int) -> list[torch.nn.Parameter]:
    """Other shapes for each optimizer: what is compiled must not depend on them."""
    return [torch.nn.Parameter(torch.randn(shape[0] + scale, *shape[1:])) for shape in mlp()]


def train(name: str, scale: int) -> tuple[int, int, float]:
    """Kernels compiled at the first step, kernels compiled later, and seconds of the first step."""
    params = parameters(scale)
    optimizer = OPTIMIZERS[name](params, 1e-3)
    for group in optimizer.param_groups:
        group["compile"] = True
    before, begin = compiled_kernels(), time.perf_counter()
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - step / STEPS)
        for i, p in enumerate(params):
            p.grad = None if step and (step + i) % 7 == 0 else torch.ones_like(p)
        optimizer.step()
        if step == 0:
            first, seconds = compiled_kernels() - before, time.perf_counter() - begin
    return first, compiled_kernels() - before - first, seconds


def main() -> None:
    print(f"### Kernels compiled over {STEPS} steps, another lr at each, gradients that come and go\n")
    print("| | at the first step | later | seconds of the first step |\n|---|---|---|---|")
    for name, scale in zip(OPTIMIZERS, itertools.count()):
        first, later, seconds = train(name, scale)
        print(f"| {name} | {first} | **{later}** | {seconds:.1f} |", flush=True)
    print(f"\n{compiled_kernels()} kernels for {len(OPTIMIZERS)} optimizers in one process")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

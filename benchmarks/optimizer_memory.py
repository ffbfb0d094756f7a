"""The memory that a step needs beyond parameters, gradients and state, in tensors of the size of the largest one.

Counted by torch's own allocator: what is allocated while a step runs, at its highest. Goal: compiled 0; eager
one block, which is made at the first step and kept (1 MB in 32 bits).
"""

from __future__ import annotations

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.optimizer_families import peer
from benchmarks.workloads import parameters
from lit_optim.optimizers import SGDW, AdaBound

MEASURED = {
    "AdaBound compiled": lambda p: AdaBound(p, compile=True),
    "AdaBound eager": AdaBound,
    "AMSBound compiled": lambda p: AdaBound(p, amsbound=True, compile=True),
    "SGDW compiled": lambda p: SGDW(p, weight_decay=1e-2, compile=True),
    "SGDW eager": lambda p: SGDW(p, weight_decay=1e-2),
    "torch Adam(fused=True)": lambda p: torch.optim.Adam(p, fused=True),
    "torch Adam, for": lambda p: torch.optim.Adam(p, foreach=False),
    "torch Adam, foreach": lambda p: torch.optim.Adam(p, foreach=True),
    **dict(zip(["pytorch_optimizer AdaBound"], peer("pytorch_optimizer.AdaBound"), strict=False)),
}


def peak(optimizer: torch.optim.Optimizer) -> int:
    """Bytes above what was there before the step."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        optimizer.step()
    held = highest = 0
    for event in record.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            highest = max(highest, held)
    return highest


def main(workload: str = "W5") -> None:
    print(f"### Temporaries of a step, {workload}\n\n| | MB | in largest tensors |\n|---|---|---|")
    for name, build in MEASURED.items():
        params = parameters(workload)
        optimizer = build(params)
        optimizer.step()
        optimizer.step()
        found = peak(optimizer)
        largest = max(p.numel() * p.element_size() for p in params)
        print(f"| {name} | {found / 1e6:.2f} | **{found / largest:.2f}** |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

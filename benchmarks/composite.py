"""A composite against its parts stepped by hand, and our Muon against torch's, both with matrices alone."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer

from benchmarks.interleave import cpu_seconds, pooled, table
from benchmarks.workloads import parameters
from lit_optim.optimizers import Composite, Muon, fastest, keep_exact
from lit_optim.optimizers.composite import Part

PARTS = {
    "AdamW and SGD": (Part(torch.optim.AdamW, {"lr": 1e-3}), Part(torch.optim.SGD, {"lr": 1e-3, "momentum": 0.9})),
    "AdamW and Muon": (Part(torch.optim.AdamW, {"lr": 1e-3}), Part(Muon, {"lr": 1e-3})),
}


def sorted_out(params: list[Tensor]) -> list[list[Tensor]]:
    """Everything but matrices, and the matrices."""
    return [[p for p in params if p.ndim < 2], [p for p in params if p.ndim >= 2]]


def by_hand(params: list[Tensor], parts: tuple[Part, ...]) -> list[Optimizer]:
    """One optimizer a part, as they are when they are built alone."""
    members = sorted_out(params)
    return [
        keep_exact(cls(own, **{**arguments, **fastest(cls, own, arguments)}))
        for (cls, arguments), own in zip(parts, members, strict=True)
    ]


def composite(params: list[Tensor], parts: tuple[Part, ...]) -> list[Optimizer]:
    """The same in one."""
    named = {f"part{i}": part for i, part in enumerate(parts)}
    groups = [{"params": own, "part": name} for name, own in zip(named, sorted_out(params), strict=True)]
    return [keep_exact(Composite(groups, named))]


def seconds(optimizers: list[Optimizer], repeat: int) -> float:
    def step() -> None:
        for optimizer in optimizers:
            optimizer.step()

    return cpu_seconds(step, repeat)


def of_parts(name: str, workload: str, repeat: int) -> dict[str, Callable[[], float]]:
    made = {"by hand": by_hand, "composite": composite}
    sets = {label: make(parameters(workload), PARTS[name]) for label, make in made.items()}
    for optimizers in sets.values():
        seconds(optimizers, 2)
    return {label: functools.partial(seconds, optimizers, repeat) for label, optimizers in sets.items()}


def of_muons(shape: tuple[int, ...], count: int, repeat: int) -> dict[str, Callable[[], float]]:
    variants = {}
    for label, cls in (("torch", torch.optim.Muon), ("ours", Muon)):
        params = [torch.nn.Parameter(torch.randn(shape)) for _ in range(count)]
        for p in params:
            p.grad = torch.randn_like(p)
        variants[label] = functools.partial(seconds, [cls(params)], repeat)
    return variants


def main(rounds: int = 20, sets: int = 5) -> None:
    for name, workload, repeat in (
        ("AdamW and SGD", "W2", 3),
        ("AdamW and SGD", "W3", 200),
        ("AdamW and Muon", "W3", 20),
    ):
        timings = pooled(functools.partial(of_parts, name, workload, repeat), rounds, sets)
        print(table(f"{name}, {workload}", timings, "Goal: at most 1.03."), flush=True)
    for shape, count, repeat in (((128, 128), 10, 2), ((768, 768), 1, 1)) if hasattr(torch.optim, "Muon") else ():
        timings = pooled(functools.partial(of_muons, shape, count, repeat), rounds, sets)
        print(table(f"Muon, {count} of {shape}", timings, "Goal: at most 1.05."), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

"""A step on a GPU: ratio to torch's fused Adam and SGD, and to a copy of the same bytes. Without one it says so and exits 0.

Device time between two events, with the GPU kept busy until the whole step is launched: what a step costs a training that keeps
the GPU busy. Beside it the host's time for launching it. All variants in turn, A B C C B A, in one process.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

import lit_optim
from benchmarks.workloads import resnet18, transformer
from lit_optim.optimizers import SGDW, SWATS, AdaBound, Lookahead

WORKLOADS = {
    "ResNet-18, 62 tensors, 11.7 M": resnet18,
    "transformer, 148 tensors, 30 M": transformer,  # only where it is asked for
    "GPT-2, 148 tensors, 124 M": lambda: transformer(width=768, words=50257, positions=1024),
    "4 matrices, 200 M": lambda: [(7168, 7168)] * 4,
}


class Row(NamedTuple):
    """A variant: its optimizer, the streams of 4 bytes an element that its step has to move, and its goal."""

    name: str
    build: Callable[[list[Tensor]], torch.optim.Optimizer]
    goal: float | None = None


def after_switch(params: list[Tensor], compile: bool) -> SWATS:
    optimizer = SWATS(params, compile=compile)
    optimizer.step()
    optimizer.switch()
    return optimizer


def around_adamw(params: list[Tensor], compile: bool) -> torch.optim.Optimizer:
    optimizer = lit_optim.build_optimizer("adamw", params)
    Lookahead(k=5, compile=compile).attach(optimizer)
    return optimizer


ADAM = [
    Row("torch Adam(fused=True)", lambda p: torch.optim.Adam(p, fused=True)),
    Row("torch Adam()", torch.optim.Adam),
    Row("preset adam", lambda p: lit_optim.build_optimizer("adam", p), 1.02),
    Row("preset adamw", lambda p: lit_optim.build_optimizer("adamw", p), 1.02),
    Row("AdaBound, compiled", lambda p: AdaBound(p, compile=True), 1.10),
    Row("AdaBound", AdaBound, 3.0),
    Row("SWATS, Adam phase, compiled", lambda p: SWATS(p, compile=True), 1.10),
    Row("SWATS, Adam phase", SWATS, 3.0),
    Row("Lookahead(adamw), k=5", lambda p: around_adamw(p, False), 1.10),
    Row("Lookahead(adamw), k=5, compiled", lambda p: around_adamw(p, True), 1.10),
]
SGD = [
    Row("torch SGD(momentum, fused=True)", lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9, fused=True)),
    Row("preset momentum", lambda p: lit_optim.build_optimizer("momentum", p), 1.02),
    Row("SGDW, compiled", lambda p: SGDW(p, weight_decay=0.01, compile=True), 1.10),
    Row("SGDW", lambda p: SGDW(p, weight_decay=0.01), 3.0),
    Row("SWATS, SGD phase, compiled", lambda p: after_switch(p, True), 1.10),
    Row("SWATS, SGD phase", lambda p: after_switch(p, False), 3.0),
]


def parameters(shapes: list[tuple[int, ...]]) -> list[Tensor]:
    generator = torch.Generator("cuda").manual_seed(0)
    made = []
    for shape in shapes:
        p = nn.Parameter(torch.randn(shape, generator=generator, device="cuda").mul_(0.02))
        p.grad = torch.randn(shape, generator=generator, device="cuda").mul_(1e-3)
        made.append(p)
    return made


def copied(n: int, streams: int) -> Callable[[], object]:
    """A copy on the device that reads and writes as many bytes as ``streams`` of 4 bytes for each of ``n`` elements."""
    source = torch.randn(n * streams // 2, device="cuda")
    target = torch.empty_like(source)
    return lambda: target.copy_(source)


def measure(step: Callable[[], object], times: int) -> tuple[float, float]:
    """Mean seconds of a step on the device, and on the host."""
    torch.cuda.synchronize()
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    device = host = 0.0
    for _ in range(times):
        torch.cuda._sleep(20_000_000)  # some 10 ms: the host launches a whole step meanwhile
        before = time.perf_counter()
        begin.record()
        step()
        end.record()
        host += time.perf_counter() - before
        end.synchronize()
        device += begin.elapsed_time(end) / 1e3
    return device / times, host / times


def compare(title: str, rows: list[Row], shapes: list[tuple[int, ...]], streams: int, rounds: int) -> None:
    n = sum(torch.Size(shape).numel() for shape in shapes)
    steps: dict[str, Callable[[], object]] = {}
    memory = {}
    for row in rows:
        gc.collect()
        before = torch.cuda.memory_allocated()
        params = parameters(shapes)
        own = torch.cuda.memory_allocated() - before
        optimizer = row.build(params)
        for _ in range(6):
            optimizer.step()
        torch.cuda.synchronize()
        steps[row.name] = optimizer.step
        memory[row.name] = (torch.cuda.memory_allocated() - before - own) / n
    steps[f"copy of {4 * streams} bytes an element"] = copied(n, streams)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for i in range(rounds):
        for name in list(steps) if i % 2 == 0 else list(reversed(steps)):
            found[name].append(measure(steps[name], 5 if "Lookahead" in name else 3))
    baseline = found[rows[0].name]
    print(
        f"### {title}\n\n| | device us a step | ratio | spread | goal | host us a step | bytes of state |\n|---|---|---|---|---|---|---|"
    )
    goals = {row.name: row.goal for row in rows}
    for name, times in found.items():
        ratios = sorted(a[0] / b[0] for a, b in zip(times, baseline, strict=True))
        tenth = len(ratios) // 10
        device, host = (statistics.median(t[i] for t in times) for i in (0, 1))
        ratio = device / statistics.median(t[0] for t in baseline)
        goal = goals.get(name)
        bytes_ = f"{memory[name]:.1f}" if name in memory else ""
        print(
            f"| {name} | {device * 1e6:.0f} | **{ratio:.2f}** | {ratios[tenth]:.2f} .. {ratios[-1 - tenth]:.2f} "
            f"| {'' if goal is None else f'{goal:.2f}'} | {host * 1e6:.0f} | {bytes_} |"
        )
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workloads", nargs="*", default=["ResNet", "GPT", "matrices"], help="parts of their names")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device: nothing was measured")
        return
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, float32\n")
    for title, shapes in WORKLOADS.items():
        if not any(part in title for part in options.workloads):
            continue
        compare(title, ADAM, shapes(), 7, options.rounds)
        torch.cuda.empty_cache()
        compare(title, SGD, shapes(), 5, options.rounds)
        torch.cuda.empty_cache()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()

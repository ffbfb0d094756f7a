"""Two or more variants measured in one run, in the order A B B A: the ratio of their medians.

These figures are CPU times of one process with one thread: on a shared machine elapsed time tells of the neighbours.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Medians of a variant and of the baseline, in seconds, and how far single pairs of runs lie apart."""

    name: str
    median: float
    baseline: float
    low: float  # 10 % of the pairs have a ratio below
    high: float  # 10 % of the pairs have a ratio above

    @property
    def ratio(self) -> float:
        return self.median / self.baseline


def cpu_seconds(work: Callable[[], object], repeat: int) -> float:
    """CPU seconds of one call, over ``repeat`` calls."""
    begin = time.process_time()
    for _ in range(repeat):
        work()
    return (time.process_time() - begin) / repeat


def seconds(work: Callable[[], object], repeat: int) -> float:
    """Elapsed seconds of one call, for more than one thread."""
    begin = time.perf_counter()
    for _ in range(repeat):
        work()
    return (time.perf_counter() - begin) / repeat


def interleaved(variants: dict[str, Callable[[], float]], rounds: int) -> list[Timing]:
    """Times the variants (each returns its own seconds a step), the first of which is the baseline."""
    return pooled(lambda: variants, rounds, 1)


def pooled(made: Callable[[], dict[str, Callable[[], float]]], rounds: int, sets: int) -> list[Timing]:
    """The same over several sets of variants, made one after the other.

    Where in memory tensors happen to lie changes a step by up to a fifth: one set tells of one such place.
    """
    times: dict[str, list[float]] = {}
    for _ in range(sets):
        variants = made()
        for i in range(rounds):
            for name in list(variants) if i % 2 == 0 else list(reversed(variants)):
                times.setdefault(name, []).append(variants[name]())
        baseline = next(iter(variants))
    return [timing(name, times[name], times[baseline]) for name in variants]


def timing(name: str, times: list[float], baseline: list[float]) -> Timing:
    """Of times in pairs: those of a variant and of the baseline that lie next to each other."""
    ratios = sorted(a / b for a, b in zip(times, baseline, strict=True))
    tenth = len(ratios) // 10
    return Timing(name, statistics.median(times), statistics.median(baseline), ratios[tenth], ratios[-1 - tenth])


def table(title: str, timings: list[Timing], goal: str = "", unit: str = "us a step", scale: float = 1e6) -> str:
    """A Markdown table; the spread is the 10th and the 90th percentile of the pairwise ratios."""
    lines = [f"### {title}", "", f"{goal}\n" if goal else "", f"| | {unit} | ratio | spread |", "|---|---|---|---|"]
    lines += [
        f"| {t.name} | {t.median * scale:.2f} | **{t.ratio:.2f}** | {t.low:.2f} .. {t.high:.2f} |" for t in timings
    ]
    return "\n".join(line for i, line in enumerate(lines) if line or i == 1) + "\n"

"""A step of every optimizer that we wrote or chose the implementation of, against torch's best and other packages.

All variants A B C C B A, in one process, several times from the beginning. With ``--threads 2`` elapsed time is measured, which means
something only on a machine without neighbours.
"""

from __future__ import annotations

import argparse
import gc
import warnings
from collections.abc import Callable

import torch

from benchmarks.interleave import Timing, cpu_seconds, interleaved, pooled, seconds, table
from benchmarks.optimizer_families import FAMILIES, Build, Family
from benchmarks.workloads import parameters

SETS = 4  # of parameters and state, at other places in memory
Results = dict[tuple[str, str], tuple[Timing, float | None]]  # row, workload -> what was measured, and the goal


def timed(build: Build, workload: str, threads: int) -> Callable[[], float]:
    """Seconds of a step; how many are taken at once depends on how long one takes."""
    step = build(parameters(workload)).step
    for _ in range(3):
        step()
    measure = cpu_seconds if threads == 1 else seconds
    repeat = max(1, round(0.04 / measure(step, 3)))
    return lambda: measure(step, repeat)


def measured(family: Family, workload: str, rounds: int, threads: int) -> list[Timing]:
    """The first of them is the baseline, the fastest one if there are several."""
    baselines = family.baselines
    if len(baselines) > 1:
        tried = interleaved({name: timed(build, workload, threads) for name, build in baselines.items()}, 4)
        name = min(tried, key=lambda timing: timing.median).name
        baselines = {name: baselines[name]}
    builds = {**baselines, **{row.name: row.build for row in family.rows}}

    def made() -> dict[str, Callable[[], float]]:
        gc.collect()
        return {name: timed(build, workload, threads) for name, build in builds.items()}

    return pooled(made, max(2, rounds // SETS), SETS)


def run(families: list[Family], workloads: set[str], rounds: int, threads: int) -> Results:
    results: Results = {}
    for family in families:
        for workload in family.workloads:
            if workload not in workloads:
                continue
            timings = measured(family, workload, rounds if workload in ("W3", "tiny") else max(8, rounds // 2), threads)
            goals = {row.name: row.goals.get(workload) for row in family.rows}
            text = ", ".join(f"{name} {goal}" for name, goal in goals.items() if goal)
            print(table(f"{family.name}, {workload}", timings, f"Goal: at most {text}."), flush=True)
            baseline = timings[0].name
            for timing in timings[1:]:
                results[f"{timing.name} / {baseline}", workload] = (timing, goals[timing.name])
            gc.collect()
    return results


def summary(results: Results) -> str:
    """A line for each row: ratio, spread and goal for each workload."""
    workloads = [w for w in ("W1", "W2", "W3", "W5", "tiny") if any(w == each for _, each in results)]
    lines = [f"| optimizer / baseline | {' | '.join(workloads)} |", "|---" * (1 + len(workloads)) + "|"]
    for name in dict.fromkeys(name for name, _ in results):
        lines.append(f"| {name} | {' | '.join(_cell(results.get((name, w))) for w in workloads)} |")
    return "\n".join(lines)


def _cell(result: tuple[Timing, float | None] | None) -> str:
    if result is None:
        return ""
    timing, goal = result
    return f"**{timing.ratio:.2f}** ({timing.low:.2f} .. {timing.high:.2f})" + (f", goal {goal:.2f}" if goal else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", nargs="*", help="parts of their names; all by default")
    parser.add_argument("--workloads", nargs="*", default=["W1", "W2", "W3", "W5", "tiny"])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    families = [f for f in FAMILIES if not options.families or any(part in f.name for part in options.families)]
    clock = "CPU time" if options.threads == 1 else "elapsed time"
    print(f"{options.threads} thread(s), {clock}; ratio of medians, 10th and 90th percentile of pairwise ratios\n")
    print(summary(run(families, set(options.workloads), options.rounds, options.threads)))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()

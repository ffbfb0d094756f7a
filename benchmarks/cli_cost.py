"""CPU time of ``lit-optim list``, ``--help`` and ``info``, against that of ``import torch``; each in a process of its own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

from benchmarks.interleave import interleaved, table

COMMANDS = {
    "python -c 'import torch'": ["-c", "import torch"],
    "lit-optim --help": ["-m", "lit_optim", "--help"],
    "lit-optim list": ["-m", "lit_optim", "list"],
    "lit-optim info adamw": ["-m", "lit_optim", "info", "adamw"],
    "lit-optim info warmup_cosine": ["-m", "lit_optim", "info", "warmup_cosine"],
}


def seconds(arguments: list[str]) -> float:
    """CPU seconds, user and system, of one process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(rounds: int = 10) -> None:
    variants = {name: lambda arguments=arguments: seconds(arguments) for name, arguments in COMMANDS.items()}
    for work in variants.values():
        work()  # compiled and cached
    goal = "Goal: list and --help at most 0.25, info at most 1.3."
    print(table("The console command", interleaved(variants, rounds), goal, unit="ms a process", scale=1e3))


if __name__ == "__main__":
    main()

"""All benchmarks, one after the other; a few minutes on one core. Names choose: ``python -m benchmarks optimizers``."""

from __future__ import annotations

import subprocess
import sys

OPTIMIZERS = ("optimizer_step", "optimizer_groups", "optimizer_graphs", "optimizer_memory", "composite")
ALL = (
    "schedule_step",
    "lightning_step",
    *OPTIMIZERS,
    "gradient_transforms",
    "swats",
    "finite_guard",
    "health",
    "validate",
    "param_groups",
    "cli_cost",
)


def main() -> None:
    chosen = sys.argv[1:] or ALL
    for name in (each for one in chosen for each in (OPTIMIZERS if one == "optimizers" else (one,))):
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)


main()

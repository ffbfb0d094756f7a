"""Runs all comparisons of the benchmark, one after the other; started again, it goes on where it was.

python examples/benchmark/run.py logs/folklore hydra/launcher=joblib hydra.launcher.n_jobs=2
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmark.claims import COMPARISONS, SPACES, Comparison

TRAIN = os.path.relpath(Path(__file__).with_name("train.py"))
SIZE = ("--budget", "5", "--seeds", "5")


def command(each: Comparison, folder: str, words: Sequence[str] = ()) -> list[str]:
    """Returns the command line of a comparison.

    Args:
        each: the comparison.
        folder: that holds all of them.
        words: further overrides and options.
    """
    spaces = [word for name in each.optimizers for word in ("--space", f"{name}: {SPACES[each.task][name]}")]
    start = [sys.executable, "-m", "lit_optim", "compare", TRAIN, f"optimizer={','.join(each.optimizers)}"]
    return [*start, f"task={each.task}", *each.overrides, *words, "--dir", f"{folder}/{each.name}", *SIZE, *spaces]


def main(folder: str, *words: str) -> int:
    """Runs them, until one of them fails."""
    return next(filter(None, (subprocess.call(command(each, folder, words)) for each in COMPARISONS)), 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 1 else __doc__)

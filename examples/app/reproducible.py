from __future__ import annotations

import os
import secrets
from typing import Any

import lightning as L
import torch

from lit_optim.errors import Problems

MOST_THREADS = 1024  # more than any machine has use for


def reproducible(seed: Any, threads: Any) -> int:
    """Seeds everything and fixes torch's threads; the same run twice then gives the same weights on one machine.

    Args:
        seed: None for one by chance, the same in all processes of a run.
        threads: of each process. Lightning takes the number over into the processes that it forks.

    Returns:
        The seed in use.

    Raises:
        ConfigError: for anything but whole numbers that torch and numpy both take.
    """
    problems = Problems()
    if seed is not None and not (type(seed) is int and 0 <= seed < 2**32):
        problems.add("seed", seed, "must be a whole number from 0 to 4294967295, or null for one by chance")
    if not (type(threads) is int and 1 <= threads <= MOST_THREADS):
        problems.add("threads", threads, f"must be a whole number from 1 to {MOST_THREADS}")
    problems.raise_if_any()
    torch.set_num_threads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    seed = _by_chance() if seed is None else seed
    L.seed_everything(seed, workers=True, verbose=False)
    return int(seed)


def _by_chance() -> int:
    """A process that another rank has started gets that one's."""
    inherited = os.environ.get("PL_GLOBAL_SEED") if "LOCAL_RANK" in os.environ else None
    return secrets.randbelow(2**32) if inherited is None else int(inherited)

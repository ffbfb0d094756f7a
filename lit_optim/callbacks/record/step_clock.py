"""Measure how long optimizer steps take, without waiting for a GPU within them."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch

MOST = 10_000  # steps whose times are kept


def time_summary(seconds: Sequence[float], first: float | None) -> dict[str, Any]:
    """Summarize the times of steps: median, 90th percentile, and the first one apart.

    Example:
        >>> time_summary([0.1] * 9 + [0.5], first=2.0)
        {'first': 2.0, 'median': 0.1, 'p90': 0.1, 'steps': 10}
    """
    found = sorted(seconds)
    median = statistics.median(found) if found else None
    p90 = found[math.ceil(0.9 * len(found)) - 1] if found else None
    return {"first": first, "median": median, "p90": p90, "steps": len(found)}


class StepClock:
    """Measures the time from the end of an optimizer step to that of the next one.

    What lies between an interruption (a validation, the begin of an epoch) and the step before it is left out. On a
    GPU, events on its stream are the marks, which the host reads in `settle` alone.

    Args:
        cuda: whether the module is on a GPU.
    """

    def __init__(self, *, cuda: bool) -> None:
        self.cuda = cuda
        self.first: float | None = None
        self.seconds: deque[float] = deque(maxlen=MOST)
        self._marks: list[list[Any]] = [[]]  # one list between two interruptions

    def restart(self) -> None:
        """Begin anew after an interruption."""
        self._marks.append([self._mark()])

    def tick(self) -> None:
        """Mark the end of a step."""
        self._marks[-1].append(self._mark())

    def settle(self) -> None:
        """Read the times of the steps since the last call; waits for a GPU."""
        if self.cuda and self._marks[-1]:
            self._marks[-1][-1].synchronize()
        for marks in self._marks:
            for before, after in pairwise(marks):
                seconds = before.elapsed_time(after) / 1000 if self.cuda else after - before
                if self.first is None:
                    self.first = seconds
                else:
                    self.seconds.append(seconds)
        self._marks = [self._marks[-1][-1:]]

    def _mark(self) -> Any:
        if not self.cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

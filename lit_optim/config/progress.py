"""Report how far a long loop is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

PAUSE = 30.0  # seconds without a line at most


class Progress:
    """Reports on stderr how far a loop is: once it has taken a second, then at every tenth, and after 30 seconds.

    Args:
        total: number of rounds.
        what: is counted.
        clock: seconds.

    Example:
        >>> Progress(10, "jobs checked").advance()  # nothing yet
    """

    def __init__(self, total: int, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.what, self.clock = total, what, clock
        self.done, self._began, self._first, self._last, self._tenth = 0, clock(), 0.0, 0.0, -1

    def advance(self) -> None:
        """Count one round, and report where it is time to."""
        self.done, now, tenth = self.done + 1, self.clock(), 10 * (self.done + 1) // self.total
        if self.done == 1:  # which imports what all need
            self._first = now
        elif now - self._began >= 1 and self.done < self.total and (tenth > self._tenth or now - self._last >= PAUSE):
            self._tenth, self._last = tenth, now
            left = (now - self._first) / (self.done - 1) * (self.total - self.done)
            print(f"{self.done} of {self.total} {self.what}, about {left:.0f} s left", file=sys.stderr, flush=True)

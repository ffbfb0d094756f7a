"""Report how far a long loop is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable


class Progress:
    """Reports on stderr how far a loop is: once it has taken a second, then at every tenth.

    Args:
        total: number of rounds.
        what: is counted.
        clock: seconds.

    Example:
        >>> Progress(10, "jobs checked").advance()  # nothing yet
    """

    def __init__(self, total: int, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.what, self.clock = total, what, clock
        self.done, self._shown, self._began = 0, -1, clock()

    def advance(self) -> None:
        """Count one round, and report where it is time to."""
        self.done += 1
        seconds, tenth = self.clock() - self._began, 10 * self.done // self.total
        if seconds >= 1 and tenth > self._shown and self.done < self.total:
            self._shown = tenth
            left = seconds / self.done * (self.total - self.done)
            print(f"{self.done} of {self.total} {self.what}, about {left:.0f} s left", file=sys.stderr, flush=True)

"""Shows how far a comparison is while its runs go on: a bar of rich on a terminal, else lines on stderr."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lit_optim.cli.compare.cost import in_words
from lit_optim.errors import ConfigError
from lit_optim.study.plan import JOB, ComparisonPlan, Job
from lit_optim.study.results import OVER, RunResult, read_result, trials_of
from lit_optim.study.rounds import total_runs
from lit_optim.study.selection import best_trial

PAUSE = 10.0  # seconds between two lines at least
LOOK = 1.0  # seconds between two looks into the folders


class LiveProgress:
    """Follows the runs of a comparison by their folders.

    Args:
        plan: of the comparison.
        folder: of the comparison.
        clock: seconds.
    """

    def __init__(self, plan: ComparisonPlan, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.plan, self.folder, self.clock = plan, folder, clock
        self.results: dict[str, RunResult] = {}  # of runs that are over, by folder
        self.pending: list[Job] = []
        self._began = self._looked = clock()
        self._said: float | None = None
        self._before: int | None = None  # runs that were over at the start
        self._bar: Any = None

    def __enter__(self) -> LiveProgress:
        """Begin to draw a bar, where there is a terminal and rich."""
        if sys.stderr.isatty() and find_spec("rich") is not None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            columns = BarColumn(bar_width=20), TextColumn("{task.description}", markup=False)
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task("", total=total_runs(self.plan))
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def begin(self, results: Sequence[RunResult], jobs: Sequence[Job]) -> None:
        """Take the runs that are over, and those that begin now."""
        self.results = {each.job.folder: each for each in results if each.outcome in OVER}
        self.pending = [*jobs]
        if self._before is None:
            self._before = len(self.results)
        self._show()

    def poll(self) -> None:
        """Look which runs are over by now."""
        if self.clock() - self._looked < LOOK:
            return
        self._looked, before = self.clock(), len(self.results)
        for job in [*self.pending]:
            folder = self.folder / job.folder
            with contextlib.suppress(ConfigError):  # a file that is just being written
                if (folder / JOB).exists() and (result := read_result(folder, self.plan)).outcome in OVER:
                    self.results[job.folder] = result
                    self.pending.remove(job)
        if len(self.results) > before:
            self._show()

    def _show(self) -> None:
        done = len(self.results)
        text = progress_line(self.plan, [*self.results.values()], self._seconds_left(done))
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=text)
        elif self._said is None or self.clock() - self._said >= PAUSE:
            self._said = self.clock()
            print(text, file=sys.stderr, flush=True)

    def _seconds_left(self, done: int) -> float | None:
        """Estimate from the runs that have ended since the start, which went on beside each other as the rest will."""
        since = done - (self._before or 0)
        left = total_runs(self.plan) - done
        return (self.clock() - self._began) / since * left if since > 0 and left > 0 else None


def progress_line(plan: ComparisonPlan, results: Sequence[RunResult], seconds_left: float | None) -> str:
    """Say how far a comparison is, and the best trial of each contender so far.

    Args:
        plan: of the comparison.
        results: of the runs that are over.
        seconds_left: None where it is not known.

    Example:
        >>> from lit_optim.study.plan import Contender
        >>> plan = ComparisonPlan("", (), (Contender("sgd", (), ""),), "val/loss", "min", budget=3)
        >>> progress_line(plan, [RunResult(Job("sgd", "trial", 0, 1, {}), "finished", 0.25, None)], 90.0)
        '1 of 3 runs over, about 90 s left; best val/loss so far: sgd 0.25'
    """
    bests = []
    for each in plan.contenders:
        trials = [result.trial() for result in trials_of(results, each.name)]
        best = best_trial(trials, plan.mode)
        if best is not None:
            bests.append(f"{each.name} {trials[best].score:.4g}")
        elif trials:
            bests.append(f"{each.name} none")
    left = f", about {in_words(seconds_left)} left" if seconds_left is not None else ""
    text = f"{len(results)} of {total_runs(plan)} runs over{left}"
    return f"{text}; best {plan.metric} so far: {', '.join(bests)}" if bests else text

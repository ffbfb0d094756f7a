"""Reads what the runs of a comparison have come to: job.json and the record of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lit_optim.errors import ConfigError
from lit_optim.study.plan import ERROR, JOB, RECORD, RUNNING, RUNS, ComparisonPlan, Job, read_job
from lit_optim.study.record_files import RunRecord, read_record
from lit_optim.study.selection import TrialResult

OVER = ("finished", "diverged", "crashed")  # such a run is a result, and does not run again


class RunResult(NamedTuple):
    """A run of a comparison.

    Args:
        job: what was run.
        outcome: finished, diverged or crashed; running or interrupted: to be run again.
        score: the last value of the metric; nan where none was logged.
        record: None where the run failed before its training began.
        error: the first line of what ended it.
        folder: relative to that of the comparison, with /.
    """

    job: Job
    outcome: str
    score: float
    record: RunRecord | None
    error: str = ""
    folder: str = ""

    def trial(self) -> TrialResult:
        """Return what selection needs of it."""
        return TrialResult(self.job.values, self.score, self.outcome)


def read_results(folder: str | Path, plan: ComparisonPlan) -> list[RunResult]:
    """Read all runs that were begun, in the order of the plan: contenders, then trials, then final runs.

    Raises:
        ConfigError: for damaged files, with all of them.
    """
    found, problems = read_sound_results(folder, plan)
    if problems:
        raise ConfigError(*problems)
    return found


def read_sound_results(folder: str | Path, plan: ComparisonPlan) -> tuple[list[RunResult], list[str]]:
    """Read all runs whose files are sound, in the same order; and say which are damaged."""
    order = [each.name for each in plan.contenders]
    found, problems = list[RunResult](), list[str]()
    for file in Path(folder, RUNS).glob(f"*/*/{JOB}"):
        try:
            place = file.parent.relative_to(folder).as_posix()
            found.append(read_result(file.parent, plan)._replace(folder=place))
        except ConfigError as error:
            problems += error.problems
    known = [each for each in found if each.job.contender in order]
    known.sort(key=lambda each: (order.index(each.job.contender), each.job.kind != "trial", each.job.number))
    return known, sorted(problems)


def read_result(folder: Path, plan: ComparisonPlan) -> RunResult:
    """Read one run."""
    job, error = read_job(folder), folder / ERROR
    text = error.read_text(encoding="utf-8").strip().partition("\n")[0] if error.exists() else ""
    if not (folder / RECORD / "run.json").exists():
        return RunResult(job, "crashed" if text else "running", math.nan, None, text)
    record = read_record(folder / RECORD)
    name = plan.test_metric if job.kind == "seed" and plan.test_metric else plan.metric
    values = [row.value for row in record.metrics if row.name == name]
    outcome = str(record.run.get("outcome", "running"))
    if text and outcome == "running":
        outcome = "crashed"
    elif not text and (folder / RUNNING).exists():  # what the app does after its fit goes on, or was killed
        outcome = "running"
    return RunResult(job, outcome, values[-1] if values else math.nan, record, text or str(record.run.get("error", "")))


def trials_of(results: Sequence[RunResult], contender: str) -> list[RunResult]:
    """Return the trials of a contender that are over."""
    return [r for r in results if r.job.contender == contender and r.job.kind == "trial" and r.outcome in OVER]


def final_runs_of(results: Sequence[RunResult], contender: str) -> dict[int, RunResult]:
    """Return the final runs of a contender that are over, by seed."""
    kept = (r for r in results if r.job.contender == contender and r.job.kind == "seed" and r.outcome in OVER)
    return {r.job.seed: r for r in kept}

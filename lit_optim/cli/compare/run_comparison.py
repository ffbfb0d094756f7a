"""Runs a comparison round by round, until nothing is left to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lit_optim.cli.compare.app import ComparedApp
from lit_optim.cli.compare.contenders import complete
from lit_optim.cli.compare.launch import run_jobs
from lit_optim.cli.compare.live_progress import LiveProgress
from lit_optim.errors import ConfigError, did_you_mean
from lit_optim.study.plan import ERROR, ComparisonPlan
from lit_optim.study.results import OVER, RunResult, read_results
from lit_optim.study.rounds import SOUND, next_jobs

NO_RECORD = "NoRecord"


def run_comparison(plan: ComparisonPlan, app: ComparedApp, folder: Path) -> list[RunResult]:
    """Run what is left of a comparison, and return the results of all runs.

    Args:
        plan: of the comparison.
        app: whose script runs.
        folder: of the comparison, absolute.

    Raises:
        ConfigError: where the first runs show that no other can succeed, or that the metric is not logged.
    """
    contenders = {each.name: each for each in plan.contenders}
    before = -1
    with LiveProgress(plan, folder) as progress:
        while True:
            results = read_results(folder, plan)
            if problem := start_problem(plan, results, folder):
                raise ConfigError(problem)
            if not (jobs := next_jobs(plan, results)):
                return results
            over = sum(each.outcome in OVER for each in results)
            if over == before:
                raise ConfigError(f"{folder}: no run came to its end; compare.log there says why; start again to go on")
            before = over
            jobs = [
                replace(each, overrides=complete(each, app, contenders[each.contender], str(folder))) for each in jobs
            ]
            progress.begin(results, jobs)
            run_jobs(app.script, folder, jobs, app.own_overrides, on_poll=progress.poll)


def start_problem(plan: ComparisonPlan, results: Sequence[RunResult], folder: Path) -> str:
    """Return in words why no other run can succeed; '' where nothing shows it.

    One optimizer may fail with a module that others can train, so the same error of two, or of all, is one of the app.

    Args:
        plan: of the comparison.
        results: of the runs that were begun.
        folder: of the comparison.
    """
    crashed = [each for each in results if each.outcome == "crashed"]
    if crashed and not any(each.outcome in SOUND for each in results):
        last, errors = crashed[-1], [each.error for each in crashed]
        failed = {each.job.contender for each in crashed}
        if last.error.startswith(NO_RECORD) or len({*errors}) < len(errors) or len(failed) == len(plan.contenders):
            path = folder / last.job.folder / ERROR
            return f"the first run failed: {last.error}; more in {path}; mend it, and start again"
    return next(filter(None, (_unlogged(plan, each) for each in results)), "")


def _unlogged(plan: ComparisonPlan, result: RunResult) -> str:
    """Return in words which metric a finished run has not logged."""
    if result.outcome != "finished" or result.record is None:
        return ""
    logged = {row.name for row in result.record.metrics}
    for option, name in (("--metric", plan.metric), ("--test-metric", plan.test_metric)):
        if name and name not in logged:
            near = did_you_mean(name, logged) or f"; write {option} NAME."
            names = ", ".join(sorted(logged)) or "none, so add self.log(...) to the validation step"
            return f"{name}: {result.job.folder} has not logged it{near} Logged: {names}"
    return ""

"""Reads the folders of a report."""

from __future__ import annotations

import math
from pathlib import Path

from lit_optim.errors import ConfigError
from lit_optim.study.plan import PLAN, read_plan
from lit_optim.study.record_files import read_sound_records
from lit_optim.study.results import OVER, read_sound_results
from lit_optim.study.summarize import Study, plan_of_records


def read_study(folder: Path, metric: str = "", mode: str = "") -> Study:
    """Read a comparison, or runs that were recorded without one; what is damaged is left out, and named.

    Args:
        folder: with a plan, or with records in it or below it.
        metric: of records without a plan.
        mode: of the metric.

    Raises:
        ConfigError: for a folder with nothing to report, with the reason.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    name = folder.resolve().name
    if (folder / PLAN).exists():
        plan = read_plan(folder)
        for key, given, declared in (("--metric", metric, plan.metric), ("--mode", mode, plan.mode)):
            if given not in ("", declared):
                raise ConfigError(f"{key} {given}: {folder} compares by {declared}, see its {PLAN}; leave {key} out")
        results, problems = read_sound_results(folder, plan)
        return Study(name, plan, results, [_left_out(each) for each in problems])
    records, problems = read_sound_records(folder)
    if not records:
        raise ConfigError(*problems)
    relative = [each._replace(folder=each.folder.relative_to(folder)) for each in records]
    plan, results, warnings = plan_of_records(relative, metric, mode)
    return Study(name, plan, results, [*map(_left_out, problems), *warnings])


def _left_out(problem: str) -> str:
    return f"left out: {problem}"


def why_no_answer(folder: Path, study: Study) -> list[str]:
    """Say why the runs of a folder can answer nothing yet, though what is known of them can be shown.

    Args:
        folder: as typed.
        study: what was read of it.
    """
    plan, results = study.plan, study.results
    over = [each for each in results if each.outcome in OVER]
    if not over:
        begun = f"{len(results)} were begun" if results else "none was begun"
        return [f"{folder}: no run is over, {begun}; lit-optim compare goes on with them", *study.problems]
    finished = [each for each in over if each.outcome == "finished"]
    logged = sorted({row.name for each in over if each.record for row in each.record.metrics})
    if finished and plan.metric not in logged and all(math.isnan(each.score) for each in over):
        there = ", ".join(logged) or "no metric"
        return [f"{folder}: no run has logged {plan.metric}, by which the plan compares; logged: {there}"]
    return []

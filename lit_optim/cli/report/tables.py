"""Lays a summary out as rows: of runs, of optimizers, of pairs. Names of measured columns begin with ``measured_``."""

from __future__ import annotations

import csv
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lit_optim.study.intervals import Interval
from lit_optim.study.summary import ContenderSummary, RunSummary, Summary

Row = dict[str, Any]


def run_rows(summary: Summary) -> list[Row]:
    """Return a row for each run that is over, by contender, trials first."""
    return [_run_row(summary, each.name, run) for each in summary.contenders for run in (*each.trials, *each.finals)]


def _run_row(summary: Summary, contender: str, run: RunSummary) -> Row:
    return {
        "contender": contender,
        "kind": run.kind,
        "number": run.number,
        "seed": run.seed,
        "study": run.study,
        **{f"values.{key}": value for key, value in run.values.items()},
        "extends": run.extends,
        "outcome": run.outcome,
        "score": run.score,
        "score_metric": summary.score_metric if run.kind == "seed" else summary.metric,
        "best": run.best,
        "steps": run.steps,
        "steps_to_target": run.steps_to_target,
        "state_bytes": run.state_bytes,
        "error": run.error,
        "folder": run.folder,
        "overrides": shlex.join(run.overrides),
        "measured_seconds": run.seconds,
        "measured_step_seconds": run.step_seconds,
        "measured_seconds_to_target": run.seconds_to_target,
        "measured_peak_memory": run.peak_memory,
    }


def contender_rows(summary: Summary) -> list[Row]:
    """Return a row for each optimizer, in order of rank."""
    return [_contender_row(each) for each in summary.contenders]


def _contender_row(each: ContenderSummary) -> Row:
    return {
        "contender": each.name,
        "place": each.place or "",
        "seeds": len(each.finals),
        "seeds_failed": sum(run.failed for run in each.finals),
        **_interval("mean", each.mean),
        **_interval("iqm", each.iqm),
        "steps_to_target": each.steps_to_target,
        "steps_to_target_of_studies": each.steps_of_studies,
        "trials": len(each.trials),
        "trials_failed": sum(run.failed for run in each.trials),
        **{f"best.{key}": value for key, value in each.best_values.items()},
        "best_trial_score": math.nan if each.best_trial is None else each.trials[each.best_trial].score,
        "mean_loss_of_lr": each.mean_loss_of_lr,
        **{f"best_of_{k}": value for k, value in enumerate(each.best_of, start=1)},
        "why_not_tuned": each.why_not_tuned,
        "failure": each.failure,
        "state_bytes": each.state_bytes,
        "space": each.space,
        "source": each.source,
        "overrides": shlex.join(each.overrides),
        "measured_step_seconds": each.step_seconds,
        "measured_seconds_to_target": each.seconds_to_target,
        "measured_tuning_seconds": each.tuning_seconds,
        "measured_peak_memory": each.peak_memory,
    }


def _interval(name: str, each: Interval) -> Row:
    low, high = (math.nan, math.nan) if math.isnan(each.center) else (each.low, each.high)
    return {name: each.center, f"{name}_low": low, f"{name}_high": high}


def comparison_rows(summary: Summary) -> list[Row]:
    """Return a row for each pair."""
    columns = ("better", "other", "difference", "low", "high", "p", "verdict")
    return [{name: getattr(each, name) for name in columns} for each in summary.comparisons]


def provenance_rows(summary: Summary) -> list[tuple[str, str]]:
    """Return where the numbers come from: names, and what is known of each."""
    given = summary.provenance
    studies = f" in {summary.studies} studies" if summary.studies > 1 else ""
    found = {
        "Command": " ".join(word if word == "&&" else shlex.quote(word) for word in given.command),
        "Script": given.script,
        "Overrides of every run": shlex.join(given.overrides),
        "Plan": f"{summary.tier}: {summary.budget} trials each{studies}, {summary.search}" if summary.budget else "",
        f"SHA-256 of {'plan.json' if summary.budget else 'the specs'}, first digits": given.config_hash,
        "Seed of the trials": str(given.tuning_seed) if summary.budget else "",
        "Seeds of the final runs": ", ".join(map(str, given.seeds)),
        "Versions": ", ".join(f"{name} {' and '.join(each)}" for name, each in given.versions.items()),
        "Hardware": "; ".join(given.hardware),
        "Commit": "; ".join(given.commits),
    }
    return [(name, text) for name, text in found.items() if text]


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows; numbers keep all digits, one that is not there is an empty cell.

    Args:
        path: is replaced.
        rows: one without a column has an empty cell there; measured columns are the last.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    names.sort(key=lambda name: name.startswith("measured_"))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value


def for_json(value: Any) -> Any:
    """Return a value as JSON has it; nan becomes null, infinity the text of it.

    Example:
        >>> for_json({"a": (float("nan"), 1.5, float("inf"))})
        {'a': [None, 1.5, 'inf']}
    """
    if isinstance(value, Mapping):
        return {key: for_json(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [for_json(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value

"""Estimates what a comparison costs, from runs that are over or from a few steps of the first one."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lit_optim.cli.compare.app import CALLBACKS, ComparedApp
from lit_optim.cli.compare.contenders import complete, quoted_path
from lit_optim.study.plan import ComparisonPlan
from lit_optim.study.results import OVER, RunResult
from lit_optim.study.rounds import first_trials, total_runs

PROBE_STEPS = 30
PROBE_SECONDS = 600


class Cost(NamedTuple):
    """Holds an estimate: seconds until all runs are over, and what it is made from; None where nothing is known."""

    seconds: float | None
    source: str


def cost_of_runs(plan: ComparisonPlan, results: Sequence[RunResult], parallel: int) -> Cost:
    """Estimate the time that is left from the runs that have finished.

    Args:
        plan: of the comparison.
        results: of the runs that were begun.
        parallel: how many run at once.
    """
    runs = [each.record.run for each in results if each.record and each.outcome == "finished"]
    measured = [run.get("measured", {}).get("seconds") for run in runs]
    seconds = [each for each in measured if isinstance(each, (int, float))]
    if not seconds:
        return Cost(None, "no run has finished yet")
    left = total_runs(plan) - sum(each.outcome in OVER for each in results)
    text = f"from {len(seconds)} finished {'run' if len(seconds) == 1 else 'runs'}, without the start of each"
    return Cost(sum(seconds) / len(seconds) * left / parallel, text)


def probe(plan: ComparisonPlan, app: ComparedApp) -> Cost:
    """Estimate the time of all runs from a few steps of the first one."""
    contender = plan.contenders[0]
    with tempfile.TemporaryDirectory() as folder:
        job = first_trials(plan, contender)[0]
        words = [*complete(job, app, contender, folder), f"hydra.run.dir={quoted_path(f'{folder}/run')}"]
        words.append(f"++{app.prefix}{CALLBACKS}.record.stop_after={PROBE_STEPS}")
        command = [sys.executable, str(app.script), *words]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
            record = json.loads((Path(folder) / job.folder / "record" / "run.json").read_text(encoding="utf-8"))
            step = float(record["measured"]["step_seconds"]["median"])  # of a batch, in which all optimizers step
            steps = int(record["total_steps"]) // max(1, len(record.get("optimizers", ())))
        except (OSError, ValueError, TypeError, KeyError):
            said = (run.stderr.strip() or run.stdout.strip()).splitlines()
            return Cost(None, f"{PROBE_STEPS} steps of {contender.name} failed: {said[-1] if said else 'no record'}")
        except subprocess.TimeoutExpired:
            return Cost(None, f"{PROBE_STEPS} steps of {contender.name} take more than {PROBE_SECONDS} s")
    seconds = step * steps * total_runs(plan) / app.parallel
    text = f"{step * 1000:.3g} ms a step of {contender.name}, {steps} steps a run; validation and the start of each run"
    return Cost(seconds, f"{text} come on top")


def in_words(seconds: float) -> str:
    """Write a time for people.

    Example:
        >>> in_words(42.0), in_words(600.0), in_words(7800.0), in_words(400_000.0)
        ('42 s', '10 min', '2 h 10 min', '4 d 15 h')
    """
    minutes = round(seconds / 60)
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"

"""Estimates what a comparison costs, from runs that are over or from a few steps of the first one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lit_optim.cli.compare.app import CALLBACKS, ComparedApp
from lit_optim.cli.compare.contenders import complete, quoted_path
from lit_optim.study.plan import ComparisonPlan
from lit_optim.study.results import OVER, RunResult
from lit_optim.study.rounds import count_rounds, first_trials, total_runs

PROBE_STEPS = 30
PROBE_SECONDS = 600
IMPORT_TIME = re.compile(r"import time: +(?:self \[us\]|(\d+)) \|.*\n?")  # what `python -X importtime` writes


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
    contender, began = plan.contenders[0], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        job = first_trials(plan, contender)[0]
        words = [*complete(job, app, contender, folder), f"hydra.run.dir={quoted_path(f'{folder}/run')}"]
        words.append(f"++{app.prefix}{CALLBACKS}.record.stop_after={PROBE_STEPS}")
        command = [sys.executable, "-X", "importtime", str(app.script), *words]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
            record = json.loads((Path(folder) / job.folder / "record" / "run.json").read_text(encoding="utf-8"))
            imports = sum(int(each or 0) for each in IMPORT_TIME.findall(run.stderr)) / 1e6
            return cost_of_probe(plan, app, record, time.monotonic() - began, imports)
        except (OSError, ValueError, TypeError, KeyError):
            said = (IMPORT_TIME.sub("", run.stderr).strip() or run.stdout.strip()).splitlines()
            return Cost(None, f"{PROBE_STEPS} steps of {contender.name} failed: {said[-1] if said else 'no record'}")
        except subprocess.TimeoutExpired:
            return Cost(None, f"{PROBE_STEPS} steps of {contender.name} take more than {PROBE_SECONDS} s")


def cost_of_probe(
    plan: ComparisonPlan, app: ComparedApp, record: Mapping[str, Any], seconds: float, imports: float
) -> Cost:
    """Estimate the time of all runs from that of a process which has stopped after a few steps.

    Its imports are paid once for all runs of a round where the launcher keeps its processes, else by each run. What
    else it does beside its steps - to compose, to load data, to build the model - each run does again.

    Args:
        plan: of the comparison.
        app: whose launcher starts the runs.
        record: of the run that was stopped.
        seconds: that its process took.
        imports: seconds of these that it spent on imports.

    Raises:
        ValueError: as TypeError and KeyError, for a record without the time of a step.
    """
    optimizers = max(1, len(record.get("optimizers", ())))
    step = float(record["measured"]["step_seconds"]["median"])  # of a batch, in which all optimizers step
    taken, steps = (int(record[key]) // optimizers for key in ("steps", "total_steps"))
    around = max(0.0, seconds - imports - step * taken)
    runs = total_runs(plan) / app.parallel
    starts = count_rounds(plan) if app.starts_once else runs
    often = "round" if app.starts_once else "run"
    name = plan.contenders[0].name
    text = f"estimated from {taken} steps of {name}: {step * 1000:.3g} ms a step, {steps} steps a run, "
    text += f"{around:.1f} s around them, {imports:.1f} s of imports in each {often}; validation comes on top"
    return Cost(runs * (step * steps + around) + starts * imports, text)


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

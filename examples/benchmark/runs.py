"""The runs of the benchmark as rows of one small file, from which every verdict can be computed again."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmark.claims import COMPARISONS
from lit_optim import ConfigError
from lit_optim.study.plan import PLAN, read_plan
from lit_optim.study.results import OVER, RunResult, read_results

METRICS = ("val/loss", "val/acc", "test/loss", "test/acc")


class Run(NamedTuple):
    """A row of runs.csv: a trial, or a final run; curves hold a value for each validation, of a trial the last one."""

    name: str  # images/adam
    kind: str  # trial or seed
    seed: int
    lr: float
    outcome: str
    seconds: float
    switched: str  # the step at which SWATS did
    steps: tuple[int, ...]  # of the validations
    curves: Mapping[str, tuple[float, ...]]


def as_run(name: str, result: RunResult) -> Run:
    """Returns the row of a run; a metric without a value is an empty curve."""
    rows = result.record.metrics if result.record else ()
    facts = result.record.run if result.record else {}
    curves = {metric: tuple(row.value for row in rows if row.name == metric) for metric in METRICS}
    steps = tuple(row.step for row in rows if row.name == METRICS[0])
    if result.job.kind == "trial":
        steps, curves = steps[-1:], {metric: curve[-1:] for metric, curve in curves.items()}
    switched = " ".join(str(each["step"]) for each in facts.get("switches", ()))
    seconds = float(facts.get("measured", {}).get("seconds", 0.0))
    lr = next((value for key, value in result.job.values.items() if key.endswith("lr")), math.nan)
    return Run(name, result.job.kind, result.job.seed, lr, result.outcome, round(seconds, 1), switched, steps, curves)


def collect(folder: Path) -> list[Run]:
    """Reads all runs that are over, of all comparisons in a folder."""
    plans = {each.name: read_plan(folder / each.name) for each in COMPARISONS if (folder / each.name / PLAN).exists()}
    if not plans:
        raise ConfigError(f"{folder}: holds no comparison; run `make benchmark`, which writes them")
    return [
        as_run(f"{name}/{result.job.contender}", result)
        for name, plan in plans.items()
        for result in read_results(folder / name, plan)
        if result.outcome in OVER
    ]


def to_csv(runs: Sequence[Run]) -> str:
    """Returns the runs as text, which `from_csv` reads again; of a curve five digits are kept."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "kind", "seed", "lr", "outcome", "seconds", "switched", "steps", *METRICS])
    for run in runs:
        curves = (" ".join(f"{value:.5g}" for value in run.curves.get(metric, ())) for metric in METRICS)
        writer.writerow([*run[:7], " ".join(map(str, run.steps)), *curves])
    return text.getvalue()


def from_csv(text: str) -> list[Run]:
    """Reads what `to_csv` has written."""
    found = []
    for row in csv.DictReader(io.StringIO(text)):
        curves = {metric: tuple(map(float, row[metric].split())) for metric in METRICS}
        numbers = int(row["seed"]), float(row["lr"]), row["outcome"], float(row["seconds"]), row["switched"]
        found.append(Run(row["run"], row["kind"], *numbers, tuple(map(int, row["steps"].split())), curves))
    return found

"""Summarizes one run."""

from __future__ import annotations

import math
from typing import Any

from lit_optim.study.plan import ComparisonPlan
from lit_optim.study.record_files import MetricRow, StepRow
from lit_optim.study.results import RunResult
from lit_optim.study.summary import Point, RunSummary
from lit_optim.study.targets import time_to_target


def curve_of(result: RunResult, metric: str) -> tuple[Point, ...]:
    """Return the metric of a run against steps and seconds."""
    rows: tuple[MetricRow, ...] = result.record.metrics if result.record else ()
    return tuple(Point(row.step, row.seconds, row.value) for row in rows if row.name == metric)


def summarize_run(result: RunResult, plan: ComparisonPlan, target: float, repeats: int | None = None) -> RunSummary:
    """Summarize a run.

    Args:
        result: the run.
        plan: of its comparison.
        target: value of the metric that counts as reached; nan where there is none.
        repeats: the seed of the final run that this one has repeated.
    """
    job, record = result.job, result.record
    run: dict[str, Any] = record.run if record else {}
    steps: tuple[StepRow, ...] = record.steps if record else ()
    measured = run.get("measured", {})
    curve = curve_of(result, plan.metric)
    finite = [point.value for point in curve if math.isfinite(point.value)]
    best = max if plan.mode == "max" else min
    by_step, by_seconds = ([(p.step, p.value) for p in curve], [(p.seconds, p.value) for p in curve])
    return RunSummary(
        folder=result.folder or job.folder,
        kind=job.kind,
        number=job.number,
        seed=job.seed,
        study=job.study,
        values=dict(job.values),
        overrides=job.overrides,
        extends=job.extends,
        outcome=result.outcome,
        score=result.score if result.outcome == "finished" and math.isfinite(result.score) else math.nan,
        best=best(finite) if finite else math.nan,
        error=result.error or _divergence(run),
        curve=curve,
        losses=tuple(Point(row.step, row.seconds, row.loss) for row in steps if row.loss is not None),
        driven={
            name: tuple((row.step, row.values[name]) for row in steps if name in row.values)
            for name in dict.fromkeys(name for row in steps for name in row.values)
        },
        switches=tuple((s["step"], f"{s['callback']}: {s['from']} -> {s['to']}") for s in run.get("switches", ())),
        steps=run.get("steps", 0),
        seconds=float(measured.get("seconds", 0.0)),
        step_seconds=float(measured.get("step_seconds", {}).get("median") or math.nan),
        peak_memory=measured.get("peak_memory") or 0,
        state_bytes=run.get("state_bytes", 0),
        steps_to_target=time_to_target(by_step, target, plan.mode),
        seconds_to_target=time_to_target(by_seconds, target, plan.mode),
        groups=tuple(run.get("groups", ())),
        repeats=repeats,
    )


def _divergence(run: dict[str, Any]) -> str:
    found = run.get("divergence")
    return f"step {found['step']}: {found['reason']}" if found and run.get("outcome") == "diverged" else ""

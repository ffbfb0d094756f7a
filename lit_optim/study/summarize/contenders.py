"""Summarizes the runs of one optimizer, and puts the optimizers in order."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from lit_optim.study.intervals import IQM, Interval, trimmed_interval
from lit_optim.study.plan import ComparisonPlan, Contender
from lit_optim.study.search_space import Dimension, SearchSpace, parse_search_space
from lit_optim.study.selection import TrialResult, best_at_ends, best_trial, why_not_tuned
from lit_optim.study.summary import Band, ContenderSummary, RunSummary
from lit_optim.study.targets import median_of_fastest
from lit_optim.study.tuning_cost import expected_best_of, lr_sensitivity

NO_RUN = Interval(math.nan, -math.inf, math.inf)


def worst_of_finished(trials: Sequence[RunSummary], mode: str) -> float:
    """Return the worst value that a finished trial has logged first or last; nan where there is none.

    It stands for the score of a trial that failed, which no record has.
    """
    curves = [[p.value for p in run.curve if math.isfinite(p.value)] for run in trials if run.outcome == "finished"]
    found = [value for curve in curves if curve for value in (curve[0], curve[-1])]
    worst = min if mode == "max" else max
    return worst(found) if found else math.nan


def summarize_contender(
    given: Contender, trials: Sequence[RunSummary], finals: Sequence[RunSummary], plan: ComparisonPlan, worst: float,
    resolution: float,
) -> ContenderSummary:  # fmt: skip
    """Summarize the runs of an optimizer; its place is not known yet.

    Args:
        given: the optimizer.
        trials: that are over.
        finals: final runs that are over.
        plan: of the comparison.
        worst: the score that counts for a trial that failed.
        resolution: of the scores of all final runs.
    """
    results = [TrialResult(run.values, run.score, run.outcome) for run in trials]
    best = best_trial(results, plan.mode)
    first = _first_dimension(given, trials)
    key = first.key if first else ""
    tried = sorted((run.values[key], run.score, run.outcome) for run in trials if key)
    sound_finals = [run for run in finals if not run.failed and run.repeats is None]
    scores = [run.score for run in sound_finals]
    sound = best is not None and math.isfinite(worst)
    shown = finals or trials
    times = [run.step_seconds for run in shown if math.isfinite(run.step_seconds)]
    studies = [[run.steps_to_target for run in trials if run.study == i] for i in sorted({r.study for r in trials})]
    selected = [] if best is None else [trials[best]]
    model = next(iter([*(run for run in finals if not run.failed), *selected, *finals]), None)
    return ContenderSummary(
        name=given.name,
        overrides=given.overrides,
        space=given.space,
        source=given.source or (parse_search_space(given.space).source if given.space else ""),
        place=0,
        trials=tuple(trials),
        finals=tuple(finals),
        missing_trials=max(0, plan.budget - len(trials)),
        missing_seeds=tuple(seed for seed in plan.seeds if seed not in {run.seed for run in finals}),
        best_trial=best,
        best_values=dict(trials[best].values) if best is not None else {},
        at_ends=tuple(_at_ends(given, trials, best)),
        why_not_tuned=why_not_tuned(SearchSpace((first,)), results, plan.mode) if first else "",
        failure=_failure(trials, finals, plan),
        mean=_interval(scores, 0.0, resolution),
        iqm=_interval(scores, IQM, resolution),
        band=_band(sound_finals),
        steps_to_target=statistics.median([run.steps_to_target for run in finals] or [math.nan]),
        seconds_to_target=statistics.median([run.seconds_to_target for run in finals] or [math.nan]),
        steps_of_studies=median_of_fastest(studies) if studies else math.nan,
        sensitivity_key=key,
        sensitivity=tuple(tried),
        mean_loss_of_lr=lr_sensitivity(results, plan.mode, worst) if sound else math.nan,
        best_of=tuple(expected_best_of(results, plan.mode, worst)) if sound else (),
        step_seconds=statistics.median(times or [math.nan]),
        peak_memory=max((run.peak_memory for run in shown), default=0),
        state_bytes=max((run.state_bytes for run in shown), default=0),
        tuning_runs=len(trials),
        tuning_seconds=math.fsum(run.seconds for run in trials),
        model=model,
    )


def _first_dimension(given: Contender, trials: Sequence[RunSummary]) -> Dimension | None:
    """Return the first entry of the space that all trials have a value of."""
    if not trials or not given.space:
        return None
    dimensions = parse_search_space(given.space, f"{given.name}: space").dimensions
    return next((each for each in dimensions if all(each.key in run.values for run in trials)), None)


def _at_ends(given: Contender, trials: Sequence[RunSummary], best: int | None) -> list[str]:
    space = parse_search_space(given.space) if given.space and best is not None else SearchSpace(())
    return best_at_ends(space, [run.values for run in trials], best or 0)


def _interval(scores: Sequence[float], trim: float, resolution: float) -> Interval:
    found = trimmed_interval(scores, trim, resolution=resolution) if scores else NO_RUN
    return Interval(*map(float, found))


def _band(runs: Sequence[RunSummary]) -> tuple[Band, ...]:
    """Return the mean curve over the steps that all runs have."""
    by_step = [{point.step: point for point in run.curve} for run in runs]
    steps = sorted(set.intersection(*map(set, by_step))) if by_step else []
    if not steps:
        return ()
    points = [[curve[step] for curve in by_step] for step in steps]
    means = trimmed_interval([[point.value for point in each] for each in points])
    seconds = [statistics.fmean(point.seconds for point in each) for each in points]
    centers, lows, highs = (_listed(each, len(steps)) for each in means)
    return tuple(map(Band, steps, seconds, centers, lows, highs))


def _listed(values: object, count: int) -> list[float]:
    return [values] * count if isinstance(values, float) else values.tolist()  # type: ignore[attr-defined]


def _failure(trials: Sequence[RunSummary], finals: Sequence[RunSummary], plan: ComparisonPlan) -> str:
    if trials and all(run.failed for run in trials):
        which = f"all {len(trials)} trials" if len(trials) > 1 else "its trial"
        return f"{which} {_how(trials, plan.metric)}{_reason(trials)}"
    failed = [run for run in finals if run.failed]
    if not failed:
        return ""
    seeds = ", ".join(str(run.seed) for run in failed)
    which = f"seed{'s' if len(failed) > 1 else ''} {seeds}"
    return f"{len(failed)} of {len(finals)} final runs {_how(failed, plan.score_metric)} ({which}){_reason(failed)}"


def _how(runs: Sequence[RunSummary], metric: str) -> str:
    none = f"{'has' if len(runs) == 1 else 'have'} no finite {metric}"
    return " or ".join(sorted({none if run.outcome == "finished" else run.outcome for run in runs}))


def _reason(runs: Sequence[RunSummary]) -> str:
    """Return one recorded reason: the first error, else why the first run diverged."""
    errors = [run.error for run in sorted(runs, key=lambda run: run.outcome != "crashed") if run.error]
    return f": {errors[0]}" if errors else ""

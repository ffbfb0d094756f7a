"""Summarizes a comparison."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lit_optim.study.intervals import resolution_of
from lit_optim.study.pairing import REMEDY, all_of, repeated_seeds
from lit_optim.study.plan import ComparisonPlan, as_json
from lit_optim.study.ranking import Scores, compare_all, why_no_ranking
from lit_optim.study.results import RunResult, final_runs_of, trials_of
from lit_optim.study.summarize.contenders import summarize_contender, worst_of_finished
from lit_optim.study.summarize.next_steps import next_steps
from lit_optim.study.summarize.plain_records import RECORDS
from lit_optim.study.summarize.runs import curve_of, summarize_run
from lit_optim.study.summarize.words import commit_words, notes, sentences, warnings_of
from lit_optim.study.summary import ContenderSummary, Provenance, Summary
from lit_optim.study.targets import baseline_target


def summarize(plan: ComparisonPlan, results: Sequence[RunResult], problems: Sequence[str] = ()) -> Summary:
    """Summarize a comparison, whole or in part.

    Args:
        plan: that was declared, or that of `plan_of_records`.
        results: of its runs; those that are not over are counted as missing.
        problems: what could not be read, complete sentences.

    Example:
        >>> from lit_optim.study.plan import Contender
        >>> adam = Contender("adam", (), "lr log 1e-4..1e-2")
        >>> summarize(ComparisonPlan("train.py", (), (adam,), "val/loss", "min"), []).no_ranking
        'no ranking: no final run is over, and trials choose values, with one seed'
    """
    names = [each.name for each in plan.contenders]
    finals = {name: final_runs_of(results, name) for name in names}
    repeats = {name: repeated_seeds(each) for name, each in finals.items()}
    target = _target(plan, finals.get(plan.baseline, {}).values())
    runs = {
        name: (
            [summarize_run(each, plan, target) for each in trials_of(results, name)],
            [summarize_run(each, plan, target, repeats[name].get(seed)) for seed, each in finals[name].items()],
        )
        for name in names
    }
    worst = worst_of_finished([run for trials, _ in runs.values() for run in trials], plan.mode)
    resolution = resolution_of([run.score for run in final] for _, final in runs.values())
    contenders = [summarize_contender(each, *runs[each.name], plan, worst, resolution) for each in plan.contenders]
    no_ranking = _no_ranking(plan, contenders)
    ordered = _in_order(contenders, plan, is_ranked=not no_ranking)
    comparisons = compare_all({c.name: _scores(c) for c in ordered if c.finals}, plan.score_mode)
    if no_ranking:
        comparisons = [replace(c, verdict="not ranked") if c.verdict != "not compared" else c for c in comparisons]
    which = ", ".join(names) if len(names) < 6 else f"{len(names)} optimizers"
    return Summary(
        title=f"{which}: {plan.score_metric}, {'higher' if plan.score_mode == 'max' else 'lower'} is better",
        metric=plan.metric,
        score_metric=plan.score_metric,
        mode=plan.score_mode,
        tier=plan.tier,
        search=plan.search,
        budget=plan.budget,
        studies=plan.studies,
        baseline=plan.baseline,
        target=target,
        worst=worst,
        contenders=tuple(ordered),
        comparisons=tuple(comparisons),
        sentences=tuple(sentences(ordered, comparisons, plan.score_metric, no_ranking)),
        no_ranking=no_ranking,
        warnings=(*problems, *warnings_of(ordered, plan, [*results])),
        next_steps=tuple(next_steps(ordered, comparisons, plan)),
        notes=tuple(notes(plan, target)),
        provenance=_provenance(plan, results),
    )


def _target(plan: ComparisonPlan, baseline: Iterable[RunResult]) -> float:
    curves = [[(point.step, point.value) for point in curve_of(each, plan.metric)] for each in baseline]
    target = baseline_target(curves, plan.mode) if curves else math.nan
    return target if math.isfinite(target) else math.nan


def _scores(each: ContenderSummary) -> dict[int, float]:
    return {run.seed: run.score for run in each.finals if run.repeats is None}


def _no_ranking(plan: ComparisonPlan, contenders: Sequence[ContenderSummary]) -> str:
    if reason := _repeated(contenders):
        return f"{reason}{'' if plan.tier == RECORDS else ', and compare with another --dir'}"
    if plan.tier == RECORDS:
        return "no ranking: no study was declared, so how often each optimizer was tuned is not known"
    trained = [each for each in contenders if each.finals or not each.failure]  # others have nothing to rank
    if not trained:
        return "no ranking: no optimizer has trained"
    if not any(each.finals for each in trained):
        return "no ranking: no final run is over, and trials choose values, with one seed"
    if missing := [f"{each.name} {', '.join(map(str, each.missing_seeds))}" for each in trained if each.missing_seeds]:
        return f"no ranking: final runs are missing: seeds of {'; '.join(missing)}"
    scores: Scores = {each.name: _scores(each) for each in trained}
    if reason := why_no_ranking(scores, {each.name: len(each.trials) for each in trained}):
        return reason
    return "" if len(trained) > 1 else "no ranking: there are not two optimizers to compare"


def _repeated(contenders: Sequence[ContenderSummary]) -> str:
    """Say which seed has trained the run of another, and what to write instead; '' where every run is its own."""
    again = {each.name: run for each in contenders for run in reversed(each.finals) if run.repeats is not None}
    if not again:
        return ""
    first = next(iter(again.values()))
    same = f"seed {first.seed} trained the run of seed {first.repeats} again, of {all_of([*again])}"
    return f"no ranking: the seed changes nothing: {same}; {REMEDY['batch']}"


def _in_order(
    contenders: Sequence[ContenderSummary], plan: ComparisonPlan, *, is_ranked: bool
) -> list[ContenderSummary]:
    """Sort by the mean score; then those without final runs by their best trial, then those that failed."""

    def place(each: ContenderSummary) -> tuple[int, int, float]:
        kind = (2 if each.failure else 0) + (not each.finals)
        best = each.trials[each.best_trial].score if each.best_trial is not None else math.nan
        score, mode = (each.mean.center, plan.score_mode) if each.finals else (best, plan.mode)
        failed = sum(run.failed for run in each.finals)
        return kind, failed, (-score if mode == "max" else score) if math.isfinite(score) else math.inf

    ordered = sorted(contenders, key=place)
    sound = [each.name for each in ordered if each.finals and not each.failure]
    return [
        replace(each, place=1 + sound.index(each.name)) if is_ranked and each.name in sound else each
        for each in ordered
    ]


def _provenance(plan: ComparisonPlan, results: Sequence[RunResult]) -> Provenance:
    runs: list[Mapping[str, Any]] = [each.record.run for each in results if each.record]
    declared = as_json(plan) if plan.tier != RECORDS else json.dumps([run.get("spec") for run in runs], sort_keys=True)
    packages = sorted({name for run in runs for name in run.get("versions", {})})
    return Provenance(
        command=plan.command,
        script=plan.script,
        overrides=plan.overrides,
        config_hash=hashlib.sha256(declared.encode()).hexdigest()[:12],
        tuning_seed=plan.tuning_seed,
        seeds=plan.seeds or tuple(sorted({each.job.seed for each in results if each.job.kind == "seed"})),
        versions={name: _unique(run.get("versions", {}).get(name) for run in runs) for name in packages},
        hardware=_unique(_hardware(run["hardware"]) for run in runs if run.get("hardware")),
        commits=_unique(commit_words(run["git"]) for run in runs if run.get("git")),
    )


def _unique(words: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({word for word in words if word}))


def _hardware(given: Mapping[str, Any]) -> str:
    processes = given.get("processes", 1)
    several = f", {processes} processes" if processes != 1 else ""
    return f"{given.get('gpu') or given.get('cpu')}, {given.get('cores')} cores, {given.get('device')}{several}"

"""Says in sentences what a comparison shows, what it lacks, and how its numbers are made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lit_optim.study.intervals import Interval
from lit_optim.study.pairing import all_of, why_not_paired
from lit_optim.study.plan import ComparisonPlan
from lit_optim.study.ranking import Comparison, sentence
from lit_optim.study.results import OVER, RunResult
from lit_optim.study.summarize.plain_records import RECORDS
from lit_optim.study.summary import ContenderSummary


def with_interval(each: Interval) -> str:
    """Return a number with its interval, in four digits, or in as many as show the interval's width.

    Example:
        >>> with_interval(Interval(0.80123, 0.79, 0.81)), with_interval(Interval(0.8, float("-inf"), float("inf")))
        ('0.8012 [0.79, 0.81]', '0.8')
        >>> with_interval(Interval(0.9999, 0.99985, 0.99995))
        '0.9999 [0.99985, 0.99995]'
    """
    if not math.isfinite(each.high):
        return f"{each.center:.4g}"
    width, size = each.high - each.low, max(abs(each.low), abs(each.high))
    digits = min(max(4, math.ceil(math.log10(size / width)) + 2), 12) if width else 4
    return f"{each.center:.{digits}g} [{each.low:.{digits}g}, {each.high:.{digits}g}]"


def values_words(values: Mapping[str, float]) -> str:
    """Write what was tried.

    Example:
        >>> values_words({"lr": 1e-05, "weight_decay": 0.1})
        'lr=1e-05, weight_decay=0.1'
    """
    return ", ".join(f"{key}={value:g}" for key, value in values.items())


def best_values_words(each: ContenderSummary) -> str:
    """Write the best values, marked where they lie at an end of their range."""
    words = {key: values_words({key: value}) for key, value in each.best_values.items()}
    return ", ".join(f"{text} (at an end of its range)" if k in each.at_ends else text for k, text in words.items())


def marked(each: ContenderSummary) -> str:
    """Return the name of a contender, marked where it is not tuned."""
    return f"{each.name} (not tuned)" if each.why_not_tuned and each.best_trial is not None else each.name


def sentences(
    contenders: Sequence[ContenderSummary], comparisons: Sequence[Comparison], metric: str, no_ranking: str
) -> Iterator[str]:
    """Yield what can be said, the answer first.

    Args:
        contenders: in order of rank.
        comparisons: of every pair of those with final runs.
        metric: of the scores.
        no_ranking: why nothing can be ranked; '' where it can.
    """
    names = {each.name: marked(each) for each in contenders}
    ranked = [each for each in contenders if each.place]
    failed = [each for each in contenders if each.failure]
    if no_ranking:
        yield no_ranking
    elif ranked:
        yield _answer(ranked, comparisons, metric)
        top = ranked[0].name
        pairs = [each for each in comparisons if top in (each.better, each.other) and each.verdict != "not compared"]
        yield from (
            sentence(replace(each, better=names[each.better], other=names[each.other]), metric) for each in pairs
        )
    for each in failed:
        yield f"{names[each.name]} is {'not ranked' if no_ranking else 'last'}: {each.failure}"


def _answer(ranked: Sequence[ContenderSummary], comparisons: Sequence[Comparison], metric: str) -> str:
    top = ranked[0]
    verdicts = {_other(each, top.name): each.verdict for each in comparisons if top.name in (each.better, each.other)}
    beaten = [marked(each) for each in ranked[1:] if verdicts.get(each.name) == "better"]
    equal = [marked(each) for each in ranked[1:] if verdicts.get(each.name) != "better"]
    tied = [marked(each) for each in ranked[1:] if math.isclose(each.mean.center, top.mean.center, rel_tol=1e-12)]
    as_others = f", as {all_of(tied)} {'has' if len(tied) == 1 else 'have'}" if tied else ""
    parts = [f"{marked(top)} has the best mean {metric}, {with_interval(top.mean)}{as_others}"]
    if beaten:
        parts.append(f"it is better than {all_of(beaten)}")
    if equal:
        parts.append(f"{all_of(equal)} {'is' if len(equal) == 1 else 'are'} not distinguishable from it")
    return "; ".join(parts)


def _other(each: Comparison, name: str) -> str:
    return each.other if each.better == name else each.better


def warnings_of(
    contenders: Sequence[ContenderSummary], plan: ComparisonPlan, results: Sequence[RunResult]
) -> Iterator[str]:
    """Yield what is missing, not tuned, or differs between runs."""
    missing = [f"{each.name} {', '.join(parts)}" for each in contenders if (parts := _missing(each, plan))]
    if missing:
        yield f"not all runs are over: missing are {'; '.join(missing)}; the same lit-optim compare goes on with them"
    for each in contenders:
        if each.why_not_tuned and each.best_trial is not None:
            yield f"{each.name} is {each.why_not_tuned}"
        crashed = [run for run in (*each.trials, *each.finals) if run.outcome == "crashed"]
        if crashed and len(crashed) < len(each.trials) + len(each.finals):
            yield f"{each.name}: {len(crashed)} runs crashed: {crashed[0].error}"
        for metric, scored in ((plan.metric, each.trials), (plan.test_metric or plan.metric, each.finals)):
            if silent := [run.folder for run in scored if run.outcome == "finished" and run.failed]:
                yield f"{each.name}: {len(silent)} runs finished without a finite {metric}, the first is {silent[0]}"
    unpaired = why_not_paired(_starts(results)) if plan.tier != RECORDS else []
    if unpaired:
        yield unpaired[0] + (f"; {len(unpaired) - 1} more like it" if len(unpaired) > 1 else "")
    runs = [each.record.run for each in results if each.record and each.outcome in OVER]
    for package in sorted({name for run in runs for name in run.get("versions", {})}):
        found = sorted({run["versions"][package] for run in runs if run.get("versions", {}).get(package)})
        if len(found) > 1:
            yield f"the runs had several versions of {package}: {', '.join(found)}"
    commits = sorted({commit_words(run["git"]) for run in runs if run.get("git")})
    if len(commits) > 1:
        yield f"the runs had several versions of the app's code: {', '.join(commits)}"
    if len({str(run.get("hardware")) for run in runs}) > 1:
        yield "the runs had different hardware, so their times do not compare"


def commit_words(git: Mapping[str, Any]) -> str:
    """Name the commit of a run, and say whether files differed from it.

    Example:
        >>> commit_words({"commit": "0123456789abcdef", "dirty": True})
        '0123456789ab + changes'
    """
    return f"{git['commit'][:12]}{' + changes' if git.get('dirty') else ''}"


def _starts(results: Sequence[RunResult]) -> dict[str, dict[int, dict[str, Any]]]:
    """Return what the final runs have recorded, by contender and seed."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for each in results:
        if each.job.kind == "seed" and each.record:
            found.setdefault(each.job.contender, {})[each.job.seed] = each.record.run
    return found


def _missing(each: ContenderSummary, plan: ComparisonPlan) -> list[str]:
    trials = [f"{each.missing_trials} of {plan.budget} trials"] if each.missing_trials else []
    if each.failure and not each.finals:  # no trial that final runs could repeat
        return trials
    seeds = ", ".join(map(str, each.missing_seeds))
    return trials + ([f"seed{'s' if len(each.missing_seeds) > 1 else ''} {seeds}"] if seeds else [])


def notes(plan: ComparisonPlan, target: float) -> Iterator[str]:
    """Yield how the numbers are made."""
    yield (
        "Scores are of the final runs: the last value of the metric. Intervals are 95 % Student t intervals, that of "
        "the interquartile mean with winsorized variance. A few accuracies may agree by chance, so that a variance "
        "counts as that of rounding at least: r^2 / 12, with r the smallest difference between two scores. With so few "
        "seeds a percentile bootstrap is too narrow: at 5 seeds it covers the true mean in 83 of 100 studies, the t "
        "interval in 95. "
        "Of fewer than 4 seeds the interquartile mean is the mean. Where a final run failed, both are of the others, "
        "and the optimizer is last."
    )
    yield (
        "Pairs are compared by the paired t test on the same seeds, p corrected by Holm for all pairs; the interval of "
        "a difference is not corrected, and its variance is r^2 / 6 at least. Not distinguishable: p is not below 0.02."
    )
    if math.isfinite(target):
        yield (
            f"The target, {target:.4g}, is the median over the final runs of {plan.baseline} of the best {plan.metric} "
            "of each; a run that misses it counts as infinite."
        )
    else:
        yield f"There is no target: no final run of {plan.baseline or 'a baseline'} has logged a finite {plan.metric}."
    if plan.tier != RECORDS:
        yield (
            f"Each optimizer had {plan.budget} trials ({plan.search}), all of the full schedule, selected by the last "
            f"{plan.metric}; final runs have other seeds, the same for every optimizer. The expected best of k trials "
            "takes all of them as drawn at random, those that went on from the best too; one that failed counts there "
            "as the worst value that a finished trial has logged first or last."
        )
    yield "Times are of the clock: runs that shared a machine with others are slower, and their times do not compare."

"""Says in words what the charts of a comparison show: their alternative texts."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lit_optim.cli.report.page.markup import figure_of
from lit_optim.study.intervals import Interval
from lit_optim.study.summarize.words import with_interval
from lit_optim.study.summary import ContenderSummary, Summary


def interval_words(each: Interval) -> str:
    """Write a center with its interval.

    Example:
        >>> interval_words(Interval(0.5, 0.25, 0.75)), interval_words(Interval(0.5, -math.inf, math.inf))
        ('0.5 [0.25, 0.75]', '0.5')
    """
    if math.isnan(each.center):
        return "no score"
    return with_interval(each)


def listed(parts: Iterable[str], none: str) -> str:
    """Join what is said of each contender."""
    return "; ".join(parts) or none


def finals_alt(summary: Summary) -> str:
    """Say where the final runs of each contender end."""
    word = "highest" if summary.mode == "max" else "lowest"
    best = [each for each in summary.contenders if math.isfinite(each.mean.center) and not each.failure]
    order = sorted(best, key=lambda each: each.mean.center, reverse=summary.mode == "max")
    top = "ends at" if summary.no_ranking else f"ends {word}, at"
    said = [f"{each.name} {top} {interval_words(each.mean)}" for each in order[:1]]
    said += [f"{each.name} {interval_words(each.mean)}" for each in order[1:]]
    return listed([*said, *_failures(summary)], "no final run has finished")


def curves_alt(summary: Summary) -> str:
    """Say where the mean curves begin and end."""
    curves = [(each.name, each.band) for each in summary.contenders if each.band]
    said = [f"{n} goes from {figure_of(b[0].center)} to {figure_of(b[-1].center)}" for n, b in curves]
    return listed([*said, *_failures(summary)], "no final run has finished")


def target_alt(summary: Summary, unit: str) -> str:
    """Say when each contender reaches the target, by the median over its final runs."""
    said = []
    for each in summary.contenders:
        time = each.steps_to_target if unit == "steps" else each.seconds_to_target
        if math.isfinite(time):
            said.append(f"{each.name} reaches it after {figure_of(time)} {unit}")
        elif not math.isnan(time):
            said.append(f"{each.name} does not reach it in most runs")
    return listed(said, "no final run is over")


def sensitivity_alt(summary: Summary) -> str:
    """Say which value of the first key is the best of each contender, and how many trials failed."""
    return listed(map(_best_value, summary.contenders), "no trial is over")


def _best_value(each: ContenderSummary) -> str:
    key, failed = each.sensitivity_key, sum(math.isnan(score) for _, score, _ in each.sensitivity)
    lost = f"{failed} of {len(each.sensitivity)} trials failed"
    if key not in each.best_values:
        return f"{each.name}: {lost if each.sensitivity else 'no trials'}"
    marked = ", not tuned" if each.why_not_tuned else ""
    return f"{each.name} is best at {key} {figure_of(each.best_values[key])}{marked}{f', {lost}' if failed else ''}"


def best_of_alt(summary: Summary) -> str:
    """Say what one trial and all trials of each contender give."""
    said = [
        f"{each.name} {figure_of(each.best_of[0])} with 1 trial, {figure_of(each.best_of[-1])} with {len(each.best_of)}"
        for each in summary.contenders
        if each.best_of
    ]
    return listed(said, "no trial has finished")


def _failures(summary: Summary) -> list[str]:
    return [f"{each.name} failed" for each in summary.contenders if each.failure]

"""Writes the tables of a comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lit_optim.cli.report.page.alts import interval_words
from lit_optim.cli.report.page.markup import NONE, Markup, concat, figure_of, html_table, tag
from lit_optim.study.ranking import Comparison
from lit_optim.study.summarize.words import best_values_words, values_words
from lit_optim.study.summary import ContenderSummary, RunSummary, Summary

MB = 10**6


def ranking_table(summary: Summary) -> Markup:
    """Write mean, IQM, difference to the best and verdict of each contender."""
    rows = [
        (
            f"{each.place}. {each.name}" if each.place else each.name, _marks(summary, each), interval_words(each.mean),
            interval_words(each.iqm), *_difference(summary, each),
        )
        for each in summary.contenders
    ]  # fmt: skip
    best = summary.contenders[0].name if summary.contenders else NONE
    head = ("Contender", "Verdict", "Mean [95 % interval]", "IQM [95 % interval]", f"Difference to {best}", "p (Holm)")
    caption = f"{summary.score_metric} of the final runs; {'higher' if summary.mode == 'max' else 'lower'} is better"
    return html_table(caption, head, rows, numeric=(2, 3, 4, 5))


def difference_to_best(summary: Summary, each: ContenderSummary) -> Comparison | None:
    """Return by how much the first contender is better than another; None where they are not compared."""
    best = summary.contenders[0].name
    for pair in summary.comparisons:
        if {pair.better, pair.other} == {best, each.name} and math.isfinite(pair.difference):
            if pair.better == best:
                return pair
            numbers = {"difference": -pair.difference, "low": -pair.high, "high": -pair.low}
            return Comparison(best, each.name, **numbers, p=pair.p, verdict=pair.verdict)
    return None


def _difference(summary: Summary, each: ContenderSummary) -> tuple[str, str]:
    """Write the paired difference to the first contender, and its p."""
    pair = difference_to_best(summary, each)
    if pair is None:
        return NONE, NONE
    words = f"{figure_of(pair.difference, 3)} [{figure_of(pair.low, 3)}, {figure_of(pair.high, 3)}]"
    return words, NONE if summary.no_ranking else figure_of(pair.p, 2)


def _marks(summary: Summary, each: ContenderSummary) -> Markup:
    """Write the verdict on a contender, and why it failed or was not tuned."""
    words = (_verdict(summary, each), each.failure, each.why_not_tuned)
    return concat(tag("div", word) for word in words if word)


def _verdict(summary: Summary, each: ContenderSummary) -> str:
    best = summary.contenders[0].name
    if summary.no_ranking or each.failure:
        return ""
    if each.name == best:
        return f"{'highest' if summary.mode == 'max' else 'lowest'} mean"
    verdict = next((p.verdict for p in summary.comparisons if {p.better, p.other} == {best, each.name}), "not compared")
    words = {"better": f"worse than {best}", "not distinguishable": f"not distinguishable from {best}"}
    return words.get(verdict, verdict)


def pair_table(summary: Summary) -> Markup:
    """Write the comparison of every pair."""
    rows = [
        (
            f"{pair.better} and {pair.other}", figure_of(pair.difference, 3),
            f"[{figure_of(pair.low, 3)}, {figure_of(pair.high, 3)}]", figure_of(pair.p, 2),
            f"{pair.better} is better" if pair.verdict == "better" else pair.verdict,
        )
        for pair in summary.comparisons
    ]  # fmt: skip
    head = ("Pair", "Mean difference", "95 % interval, not corrected", "p (Holm)", "Verdict")
    return html_table(
        "Paired differences of the final runs: by how much the first is better", head, rows, numeric=(1, 2, 3)
    )


def tuning_table(summary: Summary) -> Markup:
    """Write the search space of each contender and what was found in it."""
    rows = [
        (
            each.name, concat((each.space, tag("div", each.source, class_="note") if each.source else "")),
            best_values_words(each), figure_of(each.mean_loss_of_lr, 3), str(each.tuning_runs),
            each.why_not_tuned or ("tuned" if each.tuning_runs else NONE),
        )
        for each in summary.contenders
    ]  # fmt: skip
    head = ("Contender", "Search space", "Best values", "Mean loss by the lr", "Trials", "Tuned")
    caption = "Search spaces. Mean loss by the lr: how much worse a trial is on average than the best one"
    return html_table(caption, head, rows, numeric=(3, 4))


def cost_table(summary: Summary) -> Markup:
    """Write time and memory of each contender."""
    rows = [
        (
            each.name, figure_of(each.step_seconds * 1e3, 3), _state(each), _mb(each.peak_memory),
            str(each.tuning_runs), figure_of(each.tuning_seconds, 3), figure_of(each.steps_to_target),
            figure_of(each.seconds_to_target, 3), figure_of(each.steps_of_studies),
        )
        for each in summary.contenders
    ]  # fmt: skip
    head = (
        "Contender", "ms a step", "State, MB", "Peak memory, MB", "Trials", "Seconds of all trials",
        "Steps to target", "Seconds to target", "Steps to target, fastest trial",
    )  # fmt: skip
    caption = "Cost. To target: median over the final runs, and of the fastest trial over the studies; ∞: missed"
    return html_table(caption, head, rows, numeric=range(1, 9), measured=(1, 3, 5, 7))


def _state(each: ContenderSummary) -> str:
    """Write the bytes of an optimizer's state, of which plain SGD has none."""
    return "0" if each.model and not each.state_bytes else _mb(each.state_bytes)


def _mb(size: int) -> str:
    return figure_of(size / MB, 3) if size else NONE


def run_table(summary: Summary) -> Markup:
    """Write every run: what was tried, how it ended."""
    rows = [_run_row(each.name, run) for each in summary.contenders for run in (*each.trials, *each.finals)]
    head = ("Folder", "Contender", "Seed", "Values", "Outcome", "Score", "Best", "Steps", "Seconds", "Error")
    scores = f"{summary.metric} of trials, {summary.score_metric} of final runs; best: {summary.metric}"
    found = html_table(f"All runs that are over; score: {scores}", head, rows, numeric=(2, 5, 6, 7, 8), measured=(8,))
    return tag("div", found, class_="long")


def _run_row(name: str, run: RunSummary) -> Sequence[object]:
    beyond = f" (on from the {'lowest' if run.extends == 'low' else 'highest'})" if run.extends else ""
    return (
        run.folder, name, str(run.seed), values_words(run.values) + beyond, run.outcome, figure_of(run.score),
        figure_of(run.best), f"{run.steps:,}", figure_of(run.seconds, 3), run.error,
    )  # fmt: skip


def failed_table(summary: Summary) -> tuple[Markup, int]:
    """Write the runs that failed, and count them; nothing where there are none."""
    rows = [
        (run.folder, run.outcome, f"{run.steps:,}", values_words(run.values), run.error)
        for each in summary.contenders
        for run in (*each.trials, *each.finals)
        if run.outcome != "finished"
    ]
    head = ("Folder", "Outcome", "Steps", "Values", "Error")
    return (html_table("Runs that failed", head, rows, numeric=(2,)) if rows else Markup()), len(rows)


def group_table(summary: Summary) -> Markup:
    """Write the param groups of every contender; nothing where none is recorded."""
    found = [(c.name, group) for c in summary.contenders if c.model for group in c.model.groups]
    keys = [*dict.fromkeys(key for _, group in found for key in group)]
    rows = [[name, *(_cell(group.get(key)) for key in keys)] for name, group in found]
    return html_table("Param groups", ["Contender", *keys], rows) if rows else Markup()


def _cell(value: Any) -> str:
    if value is None:
        return NONE
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return figure_of(value) if isinstance(value, float) else f"{value:,}"

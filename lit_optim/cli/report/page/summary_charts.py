"""Chooses what the charts of a comparison draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lit_optim.cli.report.page import alts, tables
from lit_optim.cli.report.page.curves import Line, line_chart
from lit_optim.cli.report.page.dots import Dots, Trials, dot_chart, trial_chart
from lit_optim.cli.report.page.markup import MEASURED, Markup, concat, figure_of, tag
from lit_optim.study.intervals import Interval
from lit_optim.study.summary import ContenderSummary, Summary

UNITS = {"steps": "optimizer steps", "seconds": "seconds of training"}
FEWEST = 2  # points of a curve
MB = 10**6


def finals_chart(summary: Summary) -> Markup:
    """Draw the score of each final run, with mean and interval."""
    rows = [
        Dots(
            each.name, look, [run.score for run in each.finals], [f"seed {run.seed}" for run in each.finals],
            *each.mean, text=alts.interval_words(each.mean),
        )
        for look, each in enumerate(summary.contenders)
    ]  # fmt: skip
    note = "Dots: final runs. Upright line: mean. Bar: its 95 % interval."
    return dot_chart(rows, "Scores of the final runs", alts.finals_alt(summary), summary.score_metric, note=note)


def difference_chart(summary: Summary) -> Markup:
    """Draw by how much each contender is worse than the first, on the same seeds."""
    rows, said = list[Dots](), list[str]()
    for look, each in enumerate(summary.contenders):
        pair = tables.difference_to_best(summary, each)
        if pair is not None:
            interval = Interval(pair.difference, pair.low, pair.high)
            words = alts.interval_words(interval)
            rows.append(Dots(each.name, look, (), (), *interval, text=words))
            said.append(f"{each.name} {words}")
    if not rows:
        return Markup()
    title = f"Difference to {summary.contenders[0].name}"
    note = "Above 0: worse. Paired by seed; 95 % intervals, not corrected for the number of pairs."
    alt = alts.listed(said, "not compared")
    return dot_chart(rows, title, alt, f"difference in {summary.score_metric}", zero=True, note=note)


def switched(draw: Callable[[str, bool], Markup], values: Sequence[float]) -> Markup:
    """Draw a chart against steps and against seconds, and the same on a logarithmic axis where all values allow it.

    Args:
        draw: of ``steps`` or ``seconds``, and whether values are on a logarithmic axis.
        values: that are drawn.
    """
    known = [value for value in values if math.isfinite(value)]

    def both(log: bool) -> Markup:
        return concat(tag("div", draw(unit, log), data_at=unit, class_=_measured(unit)) for unit in UNITS)

    if not known or min(known) <= 0:
        return both(False)
    logs = tag("details", tag("summary", "The same on a logarithmic axis"), both(True), class_="log")
    return concat((tag("div", both(False), class_="linear"), logs))


def band_charts(summary: Summary) -> Markup:
    """Draw the mean curve of the metric of each contender, with its interval."""

    def draw(unit: str, log: bool) -> Markup:
        lines = [_band_line(each, look, unit) for look, each in enumerate(summary.contenders)]
        title = f"{summary.metric} against {UNITS[unit]}{', logarithmic' if log else ''}"
        note = "Mean over the final runs that finished, with its 95 % interval."
        return line_chart(lines, title, alts.curves_alt(summary), UNITS[unit], log=log, unit=unit[:-1], note=note)

    return switched(draw, [point.center for each in summary.contenders for point in each.band])


def _band_line(each: ContenderSummary, look: int, unit: str) -> Line:
    x = [point.step if unit == "steps" else point.seconds for point in each.band]
    known = all(math.isfinite(edge) for point in each.band for edge in (point.low, point.high))
    low, high = [p.low for p in each.band if known], [p.high for p in each.band if known]
    return Line(each.name, look, x, [point.center for point in each.band], low, high)


def loss_charts(summary: Summary) -> Markup:
    """Draw the training loss of one run of each contender."""
    models = [(look, each.name, each.model) for look, each in enumerate(summary.contenders) if each.model]

    def draw(unit: str, log: bool) -> Markup:
        lines = [
            Line(name, look, [p.step if unit == "steps" else p.seconds for p in m.losses], [p.value for p in m.losses])
            for look, name, m in models
        ]
        ends = [f"{line.name} ends at {figure_of(line.y[-1])}" for line in lines if line.y]
        title = f"Training loss against {UNITS[unit]}{', logarithmic' if log else ''}"
        alt = alts.listed(ends, "no run has recorded its loss")
        return line_chart(lines, title, alt, UNITS[unit], log=log, unit=unit[:-1], note="Of one run of each contender.")

    return switched(draw, [point.value for _, _, model in models for point in model.losses])


def target_charts(summary: Summary) -> Markup:
    """Draw when each final run has reached the target; a miss is infinite."""

    def draw(unit: str) -> Markup:
        rows = []
        for look, each in enumerate(summary.contenders):
            center = each.steps_to_target if unit == "steps" else each.seconds_to_target
            times = [run.steps_to_target if unit == "steps" else run.seconds_to_target for run in each.finals]
            text = f"{figure_of(center)} {unit}" if math.isfinite(center) else "∞" if times else "no final run"
            rows.append(Dots(each.name, look, times, [f"seed {run.seed}" for run in each.finals], center, text=text))
        title = f"{unit.capitalize()} to {summary.metric} {figure_of(summary.target)}"
        note = "Dots: final runs. Bar: their median. A run that misses the target is a cross at ∞."
        return dot_chart(rows, title, alts.target_alt(summary, unit), UNITS[unit], zero=True, note=note)

    return concat(tag("div", draw(unit), class_=_measured(unit)) for unit in UNITS)


def _measured(unit: str) -> str | None:
    return MEASURED if unit == "seconds" else None


def sensitivity_charts(summary: Summary) -> Markup:
    """Draw the score of every trial over the first key of its search space, a chart for each such key."""
    alt, found = alts.sensitivity_alt(summary), []
    for key in dict.fromkeys(each.sensitivity_key for each in summary.contenders if each.sensitivity):
        trials = [
            Trials(each.name, look, [x for x, _, _ in each.sensitivity], [y for _, y, _ in each.sensitivity])
            for look, each in enumerate(summary.contenders)
            if each.sensitivity_key == key
        ]
        title = f"{summary.metric} of every trial over {key}"
        note = "A cross in the top lane: a trial that failed."
        found.append(trial_chart(trials, title, alt, key, lines=summary.search == "grid", note=note))
    return concat(found)


def best_of_chart(summary: Summary) -> Markup:
    """Draw the expected best score of k trials."""
    lines = [
        Line(each.name, look, range(1, len(each.best_of) + 1), each.best_of)
        for look, each in enumerate(summary.contenders)
    ]
    title = f"Expected best {summary.metric} of k trials"
    return line_chart(lines, title, alts.best_of_alt(summary), "k, number of trials", unit="trials")


def cost_charts(summary: Summary) -> Markup:
    """Draw step time, memory and tuning time."""
    of: list[tuple[str, str, Callable[[ContenderSummary], float]]] = [
        ("Median time of a step", "ms", lambda each: each.step_seconds * 1e3),
        ("State of the optimizer", "MB", lambda each: each.state_bytes / MB if each.model else math.nan),
        ("Peak memory", "MB", lambda each: each.peak_memory / MB if each.peak_memory else math.nan),
        ("Training time of all trials", "minutes", lambda each: each.tuning_seconds / 60),
    ]
    found = []
    for title, unit, value in of:
        known = [(look, each.name, value(each)) for look, each in enumerate(summary.contenders)]
        known = [(look, name, v) for look, name, v in known if math.isfinite(v)]
        alt = alts.listed([f"{name} {figure_of(v, 3)} {unit}" for _, name, v in known], "not recorded")
        rows = [Dots(name, look, (), (), v, text=f"{figure_of(v, 3)} {unit}") for look, name, v in known]
        if rows:
            chart = dot_chart(rows, title, alt, unit, zero=True)
            found.append(tag("div", chart, class_=None if title.startswith("State") else MEASURED))
    return concat(found)


def schedule_charts(summary: Summary) -> Markup:
    """Draw what the param groups used: a chart for each driven value."""
    models = [(look, each.name, each.model) for look, each in enumerate(summary.contenders) if each.model]
    found = []
    for key in dict.fromkeys(key for _, _, model in models for key in model.driven):
        lines = [
            Line(name, look, [s for s, _ in m.driven[key]], [v for _, v in m.driven[key]])
            for look, name, m in models
            if m.driven.get(key)
        ]
        peaks = [max(line.y) for line in lines]
        said = [f"{line.name} up to {figure_of(peak, 3)}" for line, peak in zip(lines, peaks, strict=True)]
        log = bool(peaks) and min(peaks) > 0 and max(peaks) > 5 * min(peaks)
        title = f"{key} against optimizer steps{', logarithmic' if log else ''}"
        alt = alts.listed(said, "not recorded")
        found.append(line_chart(lines, title, alt, UNITS["steps"], log=log, zero=not log, unit="step"))
    return concat(found)

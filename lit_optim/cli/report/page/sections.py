"""Writes the sections of the page, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Iterable

from lit_optim.cli.report.page import summary_charts, tables
from lit_optim.cli.report.page.markup import Markup, concat, figure_of, tag
from lit_optim.cli.report.page.picture import dashes_of, look_of, marker
from lit_optim.cli.report.page.png import picture_missing
from lit_optim.cli.report.tables import provenance_rows
from lit_optim.study.summary import Summary

SHOWN = 20  # failed runs at most that are not folded


def body_of(summary: Summary) -> Markup:
    """Write all that is between ``<main>`` and ``</main>``."""
    return concat(
        (
            answer(summary),
            controls(summary),
            section(
                "Final runs" if summary.no_ranking else "Ranking",
                tables.ranking_table(summary),
                grid(*_finals(summary)),
                _pairs(summary),
            ),
            section("Curves", grid(summary_charts.band_charts(summary), summary_charts.loss_charts(summary))),
            section("Time to the target", *_target(summary)),
            section("Tuning", *_tuning(summary)),
            section("Cost", tables.cost_table(summary), grid(summary_charts.cost_charts(summary))),
            section("Schedules and param groups", grid(summary_charts.schedule_charts(summary)), _groups(summary)),
            section("Runs", *_runs(summary)),
            section("What to try next", bullets(summary.next_steps) or tag("p", "Nothing is missing.")),
            section("Where the numbers come from", provenance(summary)),
        )
    )


def answer(summary: Summary) -> Markup:
    """Write the question, the answer in a sentence, and what is missing."""
    first, *rest = (*summary.sentences, "")[: max(len(summary.sentences), 1)]
    missing = tag("div", bullets(summary.warnings), class_="warnings") if summary.warnings else ""
    why = tag("p", summary.no_ranking) if summary.no_ranking and summary.no_ranking not in summary.sentences else ""
    return concat((tag("h1", summary.title), tag("p", first, class_="answer"), why, bullets(rest), missing))


def controls(summary: Summary) -> Markup:
    """Write the legend, whose entries hide and show a contender, and the switches of the axes."""
    names = concat(
        tag("button", _sample(look), each.name, type="button", disabled="", aria_pressed="true", data_contender=look)
        for look, each in enumerate(summary.contenders)
    )
    axes = concat((_switch("x", "against", ("steps", "seconds")), _switch("y", "values", ("linear", "log"))))
    how = "Point at, tap or focus a chart to read its values; the arrow keys move along it. The names hide and show."
    what = {"class_": "bar", "role": "group", "aria_label": "Contenders and axes"}
    bar = tag("div", tag("div", names), tag("div", axes), **what)
    return concat((tag("p", how, class_="note js"), bar))


def _switch(key: str, label: str, values: Iterable[str]) -> Markup:
    """Write a label and a button for each value of an attribute of the page."""
    kind = {"type": "button", "disabled": "", "aria_pressed": "false", "class_": "js"}
    buttons = concat(tag("button", value, data_set=f"{key}={value}", **kind) for value in values)
    return concat((tag("span", label, class_="js"), buttons))


def _sample(look: int) -> Markup:
    """Draw the line and the marker of a contender."""
    line = tag("path", d="M0 6H38", class_="l", stroke_dasharray=dashes_of(look))
    return tag(
        "svg", line, marker(look, 19.0, 6.0), class_=look_of(look, hides=False), viewBox="0 0 38 12", aria_hidden="true"
    )


def section(title: str, *parts: object) -> Markup:
    """Write a section with its heading."""
    return tag("section", tag("h2", title), *parts)


def grid(*parts: object) -> Markup:
    """Put pictures beside each other where there is room."""
    return tag("div", *parts, class_="grid")


def bullets(texts: Iterable[str]) -> Markup:
    """Write a list; nothing for an empty one."""
    items = concat(tag("li", text) for text in texts)
    return tag("ul", items) if items else items


def _folded(title: str, inside: Markup) -> Markup:
    return tag("details", tag("summary", title), inside)


def _runs(summary: Summary) -> Iterable[Markup]:
    failed, count = tables.failed_table(summary)
    shown = _folded(f"{count} runs that failed", failed) if count > SHOWN else failed
    return shown, _folded("All runs", tables.run_table(summary))


def _pairs(summary: Summary) -> Markup:
    if summary.no_ranking or not summary.comparisons:
        return Markup()
    return _folded("Every pair", tables.pair_table(summary))


def _finals(summary: Summary) -> Iterable[Markup]:
    return summary_charts.finals_chart(summary), summary_charts.difference_chart(summary)


def _target(summary: Summary) -> tuple[Markup, ...]:
    if summary.target != summary.target:
        return (tag("p", "There is no target: no final run of the baseline has finished."),)
    words = f"The target is {summary.metric} {figure_of(summary.target)}, the median best of {summary.baseline}."
    return tag("p", words), grid(summary_charts.target_charts(summary))


def _tuning(summary: Summary) -> tuple[Markup, ...]:
    if not any(each.trials for each in summary.contenders):
        return (tag("p", "These runs have no trials."),)
    charts = grid(summary_charts.sensitivity_charts(summary), summary_charts.best_of_chart(summary))
    return charts, tables.tuning_table(summary)


def _groups(summary: Summary) -> Markup:
    switches = [
        f"{c.name}: step {step:,}: {words}" for c in summary.contenders if c.model for step, words in c.model.switches
    ]
    return concat((bullets(switches), tables.group_table(summary)))


def provenance(summary: Summary) -> Markup:
    """Write where the numbers come from, and how to compute them again."""
    facts = [
        *((name, tag("pre", text) if name == "Command" else text) for name, text in provenance_rows(summary)),
        ("Raw files", "runs.csv, summary.csv, comparisons.csv beside this page; record/*.csv of each run"),
        ("Picture", picture_missing()),
        ("To compute it again", tag("pre", "lit-optim report DIR")),
    ]
    pairs = concat(concat((tag("dt", name), tag("dd", text))) for name, text in facts if text)
    return concat((tag("dl", pairs), tag("h3", "How the numbers are made"), bullets(summary.notes)))

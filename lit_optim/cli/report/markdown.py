"""Lays a summary out as Markdown that reads by itself; measured numbers are in one section, at the end."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from lit_optim.cli.rendering import Table
from lit_optim.cli.report.tables import provenance_rows
from lit_optim.study.intervals import Interval
from lit_optim.study.summarize.words import best_values_words, marked, values_words, with_interval
from lit_optim.study.summary import ContenderSummary, RunSummary, Summary

SPECIAL = re.compile(  # code; or what would be an emphasis, a cell, a tag, a link or an entity
    r"`[^`|]+`|[\\`*~|]|_(?![^\W_])|(?<![^\W_])_|<(?=[A-Za-z/!?])|\](?=\()|^\[(?=.*\]:)|&(?=#?\w+;)"
)
MOST_OF_BEST = (1, 2, 3, 5, 10, 15, 25, 50)  # trials of which the expected best is shown


def report_lines(summary: Summary) -> Iterator[str]:
    """Yield the lines of report.md."""
    yield f"# {as_markdown(summary.title)}"
    yield from _listed("What it shows", summary.sentences)
    yield from _listed("Warnings", summary.warnings)
    yield from _listed("Try next", summary.next_steps)
    yield from _section("Results", result_table(summary))
    yield from _section("Pairs", _pairs(summary))
    yield from _section("Tuning", _tuning(summary))
    yield from _section("Trials", _trials(summary))
    yield from _section("Final runs", _finals(summary))
    yield from _section("Param groups", _groups(summary))
    yield from _section("Measured: other runs have other numbers", _measured(summary))
    yield from _listed("How the numbers are made", summary.notes)
    yield from _section("Where they come from", _provenance(summary))


def result_table(summary: Summary) -> Table:
    """Return the optimizers with their scores, the best first."""
    screening = not any(each.finals for each in summary.contenders)
    scores = [f"best trial, {summary.metric}"] if screening else [f"mean {summary.score_metric}", "IQM"]
    rows = []
    for each in summary.contenders:
        failed = sum(run.failed for run in each.finals)
        seeds = f"{len(each.finals)}, {failed} failed" if failed else str(len(each.finals))
        best = math.nan if each.best_trial is None else each.trials[each.best_trial].score
        shown = [cell_number(best)] if screening else [_score(each.mean), _score(each.iqm)]
        rows.append(
            [
                str(each.place or ""),
                marked(each),
                *shown,
                seeds,
                cell_number(each.steps_to_target),
                best_values_words(each),
            ]
        )
    return Table(["", "optimizer", *scores, "seeds", "steps to target", "tuned values"], rows)


def cell_number(value: float, digits: int = 4) -> str:
    """Return a number for a table.

    Example:
        >>> cell_number(0.123456), cell_number(200.0), cell_number(float("inf")), cell_number(float("nan"))
        ('0.1235', '200', 'never', '')
    """
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "never"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.{digits}g}"


def _score(interval: Interval) -> str:
    return "" if math.isnan(interval.center) else with_interval(interval)


def _pairs(summary: Summary) -> Table:
    head = ["better mean", "other", "difference", "95 % interval", "p (Holm)", "verdict"]
    names, rows = {each.name: marked(each) for each in summary.contenders}, []
    for each in summary.comparisons:
        sound = each.verdict != "not compared"
        interval = f"[{each.low:.3g}, {each.high:.3g}]" if sound else ""
        difference = f"{each.difference:.3g}" if sound else ""
        p = f"{each.p:.2g}" if sound and not summary.no_ranking else ""
        rows.append([names[each.better], names[each.other], difference, interval, p, each.verdict])
    return Table(head, rows)


def _tuning(summary: Summary) -> Table:
    most = max((len(each.best_of) for each in summary.contenders), default=0)
    shown = [k for k in MOST_OF_BEST if k <= most]
    head = [
        "optimizer",
        "space",
        "source",
        "trials",
        "failed",
        "mean loss of a trial",
        *(f"best of {k}" for k in shown),
    ]
    rows = []
    for each in summary.contenders:
        if each.trials:
            failed = str(sum(run.failed for run in each.trials))
            best = [cell_number(each.best_of[k - 1]) if k <= len(each.best_of) else "" for k in shown]
            lost = cell_number(each.mean_loss_of_lr, 3)
            rows.append([each.name, each.space, each.source, str(len(each.trials)), failed, lost, *best])
    return Table(head, rows)


def _trials(summary: Summary) -> Table:
    rows = [[each.name, *_run(run)] for each in summary.contenders for run in each.trials]
    return Table(["optimizer", "values", "outcome", summary.metric, "best", "steps to target"], rows)


def _run(run: RunSummary) -> list[str]:
    outcome = f"{run.outcome}: {run.error}" if run.error else run.outcome
    return [
        values_words(run.values),
        outcome,
        cell_number(run.score),
        cell_number(run.best),
        cell_number(run.steps_to_target),
    ]


def _finals(summary: Summary) -> Table:
    rows = [[each.name, str(run.seed), *_run(run)[1:]] for each in summary.contenders for run in each.finals]
    return Table(
        ["optimizer", "seed", "outcome", summary.score_metric, f"best {summary.metric}", "steps to target"], rows
    )


def _groups(summary: Summary) -> Table:
    found = [(each.name, group) for each in summary.contenders if each.model for group in each.model.groups]
    keys = list(dict.fromkeys(key for _, group in found for key in group))
    rows = [[name, *("" if group.get(key) is None else str(group[key]) for key in keys)] for name, group in found]
    return Table(["optimizer", *keys], rows)


def _measured(summary: Summary) -> Table:
    head = ["optimizer", "step, ms", "seconds to target", "tuning, s", "tuning runs", "peak memory, MB", "state, MB"]
    return Table(head, [_measured_row(each) for each in summary.contenders])


def _measured_row(each: ContenderSummary) -> list[str]:
    memory = [cell_number(size / 1e6, 3) if each.model else "" for size in (each.peak_memory, each.state_bytes)]
    times = [
        cell_number(1000 * each.step_seconds, 3),
        cell_number(each.seconds_to_target, 3),
        cell_number(each.tuning_seconds, 3),
    ]
    return [each.name, *times, str(each.tuning_runs), *memory]


def _provenance(summary: Summary) -> Table:
    rows = [[name, f"`{text}`" if name == "Command" else text] for name, text in provenance_rows(summary)]
    return Table(["", ""], rows)


def _listed(title: str, words: Sequence[str]) -> Iterator[str]:
    if words:
        yield from ("", f"## {title}", "", *(f"- {as_markdown(each)}" for each in words))


def _section(title: str, table: Table) -> Iterator[str]:
    if table.rows:
        yield from ("", f"## {title}", "", _line(table.head), _line(["---"] * len(table.head)), *map(_line, table.rows))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(as_markdown, cells))} |"


def as_markdown(text: str) -> str:
    r"""Return text as Markdown that shows it, on one line; code in backticks stays code.

    Example:
        >>> print(as_markdown("AdamW.__init__() got weight_decay=[0.1, 0.2]: `lr < *` | <b>"))
        AdamW.\_\_init\_\_() got weight_decay=[0.1, 0.2]: `lr < *` \| \<b>
    """
    return SPECIAL.sub(lambda found: found[0] if len(found[0]) > 1 else f"\\{found[0]}", " ".join(text.split()))

"""Lays out a declaration before its runs, and what they have come to."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

from lit_optim.cli.compare.cost import Cost, in_words
from lit_optim.cli.config_value import as_config_value
from lit_optim.cli.rendering import Block, Code, Heading, Table
from lit_optim.study.plan import Plan
from lit_optim.study.results import RunResult, final_runs_of, trials_of
from lit_optim.study.rounds import total_runs
from lit_optim.study.search_space import parse_search_space
from lit_optim.study.selection import best_trial, why_not_tuned


def declaration_blocks(plan: Plan, first: Sequence[str], parallel: int, cost: Cost) -> list[Block]:
    """Lay out what is going to be run.

    Args:
        plan: of the comparison.
        first: the words of the first run.
        parallel: how many run at once.
        cost: what all of it takes.
    """
    rows = [[each.name, each.space, each.source] for each in plan.contenders]
    tuned = f"{plan.budget} {plan.search} ones of each optimizer, seed {plan.tuning_seed}"
    studies = f", in {plan.studies} studies" if plan.studies > 1 else ""
    final = (
        f"the best of each, {_counted(len(plan.seeds), 'fresh seed')}" if plan.seeds else "none: screening, no ranking"
    )
    time = f"about {in_words(cost.seconds)}; {cost.source}" if cost.seconds is not None else f"not known: {cost.source}"
    selected = "lowest" if plan.mode == "min" else "highest"
    facts = [
        ["selected by", f"the {selected} {plan.metric} at the end of the full schedule"],
        ["trials", tuned + studies],
        ["final runs", final + (f", scored by {plan.test_metric}" if plan.test_metric else "")],
        ["baseline", plan.baseline],
        ["runs", f"{total_runs(plan)}, {parallel} at a time"],
        ["time", time],
    ]
    spaces: list[Block] = [Heading("Search spaces"), Table(("optimizer", "searched", "source"), rows), ""]
    return [*spaces, Heading("Runs"), Table((), facts), "", Heading("The first run"), Code(shlex.join(first)), ""]


def outcome_blocks(plan: Plan, results: Sequence[RunResult]) -> list[Block]:
    """Lay out what was found, a row an optimizer."""
    head = ("optimizer", f"best {plan.metric}", "at", "mean of final runs", "runs that failed", "note")
    return [Table(head, [_row(plan, name, results) for name in (each.name for each in plan.contenders)]), ""]


def _row(plan: Plan, name: str, results: Sequence[RunResult]) -> list[str]:
    own = [each for each in results if each.job.contender == name]
    trials = [each.trial() for each in trials_of(results, name)]
    best = best_trial(trials, plan.mode)
    scores = [each.score for each in final_runs_of(results, name).values()]
    space = parse_search_space(next(each.space for each in plan.contenders if each.name == name))
    at = "" if best is None else ", ".join(f"{key} {as_config_value(v)}" for key, v in trials[best].values.items())
    mean = f"{sum(scores) / len(scores):.4g}" if scores and all(map(math.isfinite, scores)) else "none"
    failed = [each for each in own if each.outcome in ("crashed", "diverged")]
    error = next((each.error for each in failed if each.error), "")
    note = why_not_tuned(space, trials, plan.mode) if trials else "no trial is over"
    score = "none" if best is None else f"{trials[best].score:.4g}"
    return [name, score, at, mean, f"{len(failed)} of {len(own)}", "; ".join(filter(None, [note, error]))]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

"""Lays out what a comparison is going to run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from lit_optim.cli.compare.cost import Cost, in_words
from lit_optim.cli.rendering import Block, Code, Heading, Table
from lit_optim.study.plan import ComparisonPlan
from lit_optim.study.ranking import counted
from lit_optim.study.rounds import total_runs


def declaration_blocks(plan: ComparisonPlan, first: Sequence[str], parallel: int, cost: Cost) -> list[Block]:
    """Lay out what is going to be run.

    Args:
        plan: of the comparison.
        first: the words of the first run.
        parallel: how many run at once.
        cost: what all of it takes.
    """
    rows = [[each.name, each.space, each.source] for each in plan.contenders]
    points = "on a grid" if plan.search == "grid" else plan.search
    tuned = f"{plan.budget} of each optimizer, {points}, seed {plan.tuning_seed}"
    studies = f", in {plan.studies} studies" if plan.studies > 1 else ""
    final = (
        f"the best of each, {counted(len(plan.seeds), 'fresh seed')}" if plan.seeds else "none: screening, no ranking"
    )
    time = f"about {in_words(cost.seconds)}; {cost.source}" if cost.seconds is not None else f"not known: {cost.source}"
    selected = "lowest" if plan.mode == "min" else "highest"
    better = "lower" if plan.score_mode == "min" else "higher"
    facts = [
        ["selected by", f"the {selected} {plan.metric} at the end of the full schedule"],
        ["trials", tuned + studies],
        ["final runs", final + (f", scored by {plan.test_metric}, {better} is better" if plan.test_metric else "")],
        ["baseline", plan.baseline],
        ["runs", f"{total_runs(plan)}, {parallel} at a time"],
        ["time", time],
    ]
    spaces: list[Block] = [Heading("Search spaces"), Table(("optimizer", "searched", "source"), rows), ""]
    return [*spaces, Heading("Runs"), Table((), facts), "", Heading("The first run"), Code(shlex.join(first)), ""]

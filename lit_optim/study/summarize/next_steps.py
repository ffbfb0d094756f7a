"""Says what to try next, from the numbers of a comparison."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lit_optim.study.intervals import student_t
from lit_optim.study.plan import ComparisonPlan
from lit_optim.study.ranking import FEWEST_SEEDS, Comparison
from lit_optim.study.search_space import Dimension, SearchSpace, parse_search_space
from lit_optim.study.selection import FEWEST_VALUES, TrialResult, edge_of_best
from lit_optim.study.summarize.plain_records import RECORDS
from lit_optim.study.summary import ContenderSummary
from lit_optim.study.trial_values import beyond_edge

NORMAL, POWER = 2.33, 0.84  # quantiles of a two-sided test at 2 %, with a power of 80 %
MOST_SEEDS = 100
MOST_NOT_TRIED = 0.15  # share of a range between its edge and the value nearest to it


def seeds_needed(each: Comparison, seeds: int) -> float:
    """Return about how many seeds would tell the seen difference in 80 of 100 studies, of one pair alone.

    Args:
        each: a comparison on so many seeds.
        seeds: at least 2.

    Example:
        >>> round(seeds_needed(Comparison("a", "b", 0.01, -0.00242, 0.02242, 0.09, "not distinguishable"), 5))
        13
        >>> seeds_needed(Comparison("a", "b", 0.0, -0.1, 0.1, 1.0, "not distinguishable"), 5)
        inf
    """
    _, quantile = student_t()
    deviation = (each.high - each.low) / 2 * math.sqrt(seeds) / float(quantile(seeds - 1, 0.975))
    if not each.difference:
        return math.inf
    return math.ceil(
        ((NORMAL + POWER) * deviation / each.difference) ** 2 + NORMAL**2 / 2
    )  # Guenther's term for t in place of z


def next_steps(
    contenders: Sequence[ContenderSummary], comparisons: Sequence[Comparison], plan: ComparisonPlan
) -> Iterator[str]:
    """Yield what to try next, the most important first.

    Args:
        contenders: in order of rank.
        comparisons: of every pair.
        plan: of the comparison.
    """
    for each in contenders:
        if step := _wider(each, plan.mode):
            yield step
    for each in contenders:
        if any(run.outcome == "diverged" for run in each.trials) and each.best_trial is None:
            yield f"{each.name}: no trial trains; search a lower {each.sensitivity_key}, or add a warmup or clipping"
        if any(run.outcome == "diverged" for run in each.finals):
            yield (
                f"{each.name} does not train from every seed: try a lower lr{_selected(each)}, a longer warmup, or "
                "trainer.gradient_clip_val=1"
            )
    ranked = [each for each in contenders if each.place]
    chosen = ranked[0] if ranked else None
    if len(ranked) > 1:
        names = (ranked[0].name, ranked[1].name)
        first = next((c for c in comparisons if {c.better, c.other} == {*names}), None)
        if first and first.verdict == "not distinguishable":
            chosen, words = _choice(ranked[0], ranked[1], first)
            yield words
    fewest = min((len(each.finals) for each in contenders if not each.failure), default=FEWEST_SEEDS)
    if plan.tier == RECORDS:
        yield "compare the optimizers with equal tuning: lit-optim compare train.py optimizer=..."
    elif fewest < FEWEST_SEEDS and not any(each.missing_seeds for each in contenders if not each.failure):
        yield f"run the final runs with more seeds: a ranking needs {FEWEST_SEEDS}, 5 are usual"
    if chosen and (overrides := _words(chosen)):
        yield f"train with {chosen.name}: {shlex.join(('python', plan.script, *overrides))}"


def _wider(each: ContenderSummary, mode: str) -> str:
    """Say which space reaches beyond the edge at which the best trial lies."""
    if not each.why_not_tuned or each.best_trial is None:
        return ""
    dimensions = parse_search_space(each.space).dimensions
    first = next(dimension for dimension in dimensions if dimension.key == each.sensitivity_key)
    results = [TrialResult(run.values, run.score, run.outcome) for run in each.trials]
    if len(results) < FEWEST_VALUES:
        return f"{each.name} is not tuned: give it more trials, --budget 15, with another --dir"
    side = edge_of_best(first, results, mode)
    if first.choices:
        return ""
    if not side:
        few = f"{len(results)} trials leave gaps in its space"
        return f"{each.name} is not tuned: {few}; raise --budget, with another --dir"
    tried = [1 - run.values[first.key] if first.complement else run.values[first.key] for run in each.trials]
    if _share_not_tried(first, side, tried) > MOST_NOT_TRIED:
        few = f"{len(results)} trials do not reach the edges of its space"
        return f"{each.name} is not tuned: {few}; raise --budget, with another --dir"
    whole = replace(first, low=min(first.low, *tried), high=max(first.high, *tried))
    edge = whole.low if side == "low" else whole.high
    beyond = beyond_edge(SearchSpace((whole,)), side, 1 - edge if whole.complement else edge, 2)  # a decade
    if beyond is None:
        return ""
    wider = replace(whole, **{side: getattr(beyond, side)})
    text = "; ".join(str(wider if dimension is first else dimension) for dimension in dimensions)
    return f"{each.name} is not tuned: give it a wider space, --space '{each.name.partition(' (')[0]}: {text}'"


def _share_not_tried(dimension: Dimension, side: str, tried: Sequence[float]) -> float:
    """Return which share of a range lies between the outermost value tried and the edge on that side."""
    scale = math.log if dimension.log else float
    low, high = scale(dimension.low), scale(dimension.high)
    gap = scale(min(tried)) - low if side == "low" else high - scale(max(tried))
    return gap / (high - low)


def _selected(each: ContenderSummary) -> str:
    values = " ".join(f"{key}={value:g}" for key, value in each.best_values.items())
    return f" than the selected {values}" if values else ""


def _words(each: ContenderSummary) -> list[str]:
    """Return the overrides that all final runs share, without the record of the comparison."""
    shared = [word for word in each.finals[0].overrides if all(word in run.overrides for run in each.finals)]
    words = [re.sub(r"\[record,?", "[", word) for word in shared if ".record." not in word]
    return [word for word in words if not word.endswith("=[]")]


def _choice(one: ContenderSummary, other: ContenderSummary, pair: Comparison) -> tuple[ContenderSummary, str]:
    """Choose one of two that are not distinguishable; say why, and how many seeds would tell them apart."""
    needed = seeds_needed(pair, len(one.finals))
    more = f"about {needed:.0f} seeds" if needed <= MOST_SEEDS else f"more than {MOST_SEEDS} seeds"
    chosen = one
    small, large = sorted((one, other), key=lambda each: each.state_bytes)
    simple, rich = sorted((one, other), key=lambda each: len(each.best_values))
    if untuned := [each.name for each in (one, other) if each.why_not_tuned]:
        why = f"{' and '.join(untuned)} can still gain by tuning"
    elif small.state_bytes < 0.95 * large.state_bytes:
        chosen = small
        why = f"take {small.name}, whose state is smaller ({_bytes(small.state_bytes)}, {_bytes(large.state_bytes)})"
    elif len(simple.best_values) < len(rich.best_values):
        chosen = simple
        why = f"take {simple.name}, which has fewer values to tune"
    else:
        why = "either will do"
    return chosen, f"{one.name} and {other.name} are not distinguishable: {why}; to tell them apart takes {more}"


def _bytes(count: int) -> str:
    """Return bytes in a unit.

    Example:
        >>> _bytes(800_000), _bytes(0)
        ('0.8 MB', '0 MB')
    """
    return f"{count / 1e6:.3g} MB"

"""Selects the best trial on validation, and says whether an optimizer was tuned."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lit_optim.study.search_space import Dimension, SearchSpace

FEWEST_VALUES = 3  # of which a best one may be enclosed
DECADE = 10 * (1 + 1e-3)  # values are rounded to four digits


@dataclass(frozen=True)
class TrialResult:
    """Holds the end of one trial.

    Args:
        values: what was tried, by the keys of the search space.
        score: the validation metric at the end of the full schedule.
        outcome: finished, diverged, crashed or interrupted.
    """

    values: Mapping[str, float]
    score: float
    outcome: str = "finished"


def losses(results: Sequence[TrialResult], mode: str) -> list[float]:
    """Return scores of which the lowest is the best; a trial that failed, or whose score is not finite, is the worst.

    Args:
        results: trials or runs; those that were interrupted are for the caller to leave out.
        mode: ``min`` or ``max`` of the metric.

    Example:
        >>> losses([TrialResult({}, 0.9), TrialResult({}, 0.99, "diverged"), TrialResult({}, float("nan"))], "max")
        [-0.9, inf, inf]
    """
    sign = -1.0 if mode == "max" else 1.0
    return [
        sign * result.score if result.outcome == "finished" and math.isfinite(result.score) else math.inf
        for result in results
    ]


def best_trial(results: Sequence[TrialResult], mode: str) -> int | None:
    """Return the number of the best trial, the first of equals; None where all have failed.

    Example:
        >>> best_trial([TrialResult({}, 0.3), TrialResult({}, 0.1, "crashed"), TrialResult({}, 0.2)], "min")
        2
    """
    found = losses(results, mode)
    best = min(range(len(found)), key=found.__getitem__, default=None)
    return None if best is None or found[best] == math.inf else best


def edge_of_best(dimension: Dimension, results: Sequence[TrialResult], mode: str) -> str:
    """Return at which edge of what was tried the best trial lies: ``low``, ``high``, or '' where values enclose it.

    A trial that diverged was tried: an lr above the best one at which runs diverge encloses it.

    Example:
        >>> lr, run = Dimension("lr", 1e-3, 1e-1, log=True), TrialResult
        >>> results = [run({"lr": 0.001}, 0.5), run({"lr": 0.01}, 0.4), run({"lr": 0.1}, 0.3)]
        >>> edge_of_best(lr, results, "min"), edge_of_best(lr, [*results, run({"lr": 1.0}, 9.0, "diverged")], "min")
        ('high', '')
    """
    best = best_trial(results, mode)
    if best is None or dimension.choices:
        return ""
    values = [result.values[dimension.key] for result in results]
    if values[best] in (min(values), max(values)):
        return "low" if (values[best] == min(values)) != dimension.complement else "high"
    return ""


def why_not_tuned(space: SearchSpace, results: Sequence[TrialResult], mode: str) -> str:
    """Return why an optimizer counts as not tuned, in words; '' where it is tuned.

    Example:
        >>> space = SearchSpace((Dimension("lr", 1e-3, 1e-1, log=True),))
        >>> why_not_tuned(space, [TrialResult({"lr": lr}, 1 / lr) for lr in (0.001, 0.01, 0.1)], "min")
        'not tuned: the best lr, 0.1, is the highest of 3 that were tried'
    """
    first = space.dimensions[0]
    best = best_trial(results, mode)
    if best is None:
        return f"not tuned: none of {len(results)} trials has finished with a finite score"
    tried = {result.values[first.key] for result in results}
    if len(tried) < FEWEST_VALUES:
        return f"not tuned: {len(tried)} {'value' if len(tried) == 1 else 'values'} of {first.key} tried"
    value = results[best].values[first.key]
    if not edge_of_best(first, results, mode):
        return _gap(first, value, tried)
    place = "highest" if value == max(tried) else "lowest"
    return f"not tuned: the best {first.key}, {value:g}, is the {place} of {len(tried)} that were tried"


def best_at_ends(space: SearchSpace, tried: Sequence[Mapping[str, float]], best: int) -> list[str]:
    """Return the keys after the first whose best value is the outermost one and lies at an end of its range.

    Such an optimizer does not count as not tuned. Trials cover these keys at random, and of a key without influence
    the best trial has the outermost of n values in 2 of n studies: of 5 in 40 %. So the value must be nearer to the
    end than half the spacing of n values, 1 / (2 n) of the range: without influence in about 1 of n studies.

    Args:
        space: of the trials.
        tried: the values of each trial.
        best: the number of the best one.

    Example:
        >>> space = SearchSpace((Dimension("lr", 0.1, 1.0), Dimension("decay", 0.0, 1.0)))
        >>> tried = [{"lr": 0.1, "decay": decay} for decay in (0.1, 0.5, 0.9)]
        >>> best_at_ends(space, tried, 2), best_at_ends(space, tried, 1)
        (['decay'], [])
    """
    found = []
    for each in (e for e in space.dimensions[1:] if not e.choices and all(e.key in values for values in tried)):
        given = [1 - values[each.key] if each.complement else values[each.key] for values in tried]
        if len({*given}) < FEWEST_VALUES or (each.log and min(given) <= 0):
            continue
        low, high, value = map(math.log if each.log else float, (each.low, each.high, given[best]))
        near = (high - low) / (2 * len({*given}))
        if given[best] in (min(given), max(given)) and not low + near <= value <= high - near:
            found.append(each.key)
    return found


def _gap(dimension: Dimension, best: float, tried: Collection[float]) -> str:
    """Return in words between which values, one of them the best, more than a decade was not tried; '' if none was."""
    if not dimension.log:
        return ""
    around = max((v for v in tried if v < best), default=best), min((v for v in tried if v > best), default=best)
    for other in around:
        low, high = sorted(1 - v if dimension.complement else v for v in (best, other))
        if high > low * DECADE:
            named = " and ".join(f"{value:g}" for value in sorted((best, other)))
            return f"not tuned: no {dimension.key} between {named} was tried, and one of them is the best"
    return ""

"""Compares optimizers by paired differences, and says in words what can be said of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lit_optim.study.intervals import resolution_of, student_t, trimmed_interval

FEWEST_SEEDS = 3
LEVEL = 0.02  # two identical optimizers count as different in 2 of 100 comparisons
Scores = Mapping[str, Mapping[int, float]]  # optimizer -> seed -> score; not finite where the run failed


@dataclass(frozen=True)
class Comparison:
    """Compares two optimizers on the same seeds.

    Args:
        better: the one with the better mean.
        other: the other one.
        difference: mean over the seeds of how much better it is, in units of the metric.
        low: lower end of the 95 % t interval of the difference, not corrected.
        high: its upper end.
        p: of the paired t test, corrected by Holm for all pairs of the comparison.
        verdict: better, not distinguishable, or not compared.
    """

    better: str
    other: str
    difference: float
    low: float
    high: float
    p: float
    verdict: str


def paired_t_test(differences: ArrayLike, resolution: float = 0.0) -> Any:
    """Return the two-sided p of the paired t test, of differences along the last axis.

    Why this one: of 5 seeds, a sign test, Wilcoxon's and the exact permutation of signs have no p below 2 / 2^5 = 0.06,
    so that they could never tell two optimizers apart. Of two identical optimizers the differences are symmetric
    around 0 whatever the distribution of the scores, where the t test keeps its level, or stays below it with heavy
    tails.

    Args:
        differences: of the scores of the same seed.
        resolution: of a difference, in its unit. Three accuracies may all differ by the same few samples, by chance:
            the variance counts as that of rounding at least, resolution^2 / 12, as in ``trimmed_interval``.

    Example:
        >>> round(float(paired_t_test([1.0, 2.0, 3.0])), 4)
        0.0742
        >>> float(paired_t_test([0.0, 0.0, 0.0]))
        1.0
    """
    values = np.asarray(differences, dtype=np.float64)
    count = values.shape[-1]
    cumulative, _ = student_t()
    deviation = np.maximum(values.std(axis=-1, ddof=1), resolution / math.sqrt(12))
    center, error = np.abs(values.mean(axis=-1)), deviation / math.sqrt(count)
    with np.errstate(divide="ignore", invalid="ignore"):  # all alike: 0 / 0 or x / 0
        statistic = np.nan_to_num(center / error, nan=0.0, posinf=math.inf)
    return 2 * cumulative(count - 1, -statistic)


def holm(probabilities: Sequence[float]) -> list[float]:
    """Correct p values for their number, so that the level holds for all of them together.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__)
    found, largest = [0.0] * len(order), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, probabilities[index] * (len(order) - place)))
        found[index] = largest
    return found


def compare_all(scores: Scores, mode: str) -> list[Comparison]:
    """Compare every pair of optimizers of which no run failed, on the seeds that all of them have.

    Args:
        scores: one for each optimizer and seed, on the test or validation data; the best optimizer first.
        mode: ``min`` or ``max`` of the metric.

    Example:
        >>> first, second = {0: 0.11, 1: 0.12, 2: 0.13}, {0: 0.21, 1: 0.23, 2: 0.22}
        >>> found = compare_all({"adam": first, "sgd": second}, "min")
        >>> [(each.better, each.other, each.verdict) for each in found]
        [('adam', 'sgd', 'better')]
    """
    sign = -1.0 if mode == "max" else 1.0
    sound = [name for name in scores if all(map(math.isfinite, scores[name].values()))]
    seeds = sorted(set.intersection(*(set(scores[name]) for name in sound))) if sound else []
    pairs = [*itertools.combinations(sound if len(seeds) > 1 else [], 2)]
    tested: dict[tuple[str, str], Comparison] = {}
    if pairs:
        losses = {name: sign * np.array([scores[name][seed] for seed in seeds]) for name in sound}
        differences = np.array([losses[other] - losses[better] for better, other in pairs])
        rounding = resolution_of([each.tolist() for each in losses.values()])
        resolution = math.sqrt(2) * rounding  # of a difference of two scores
        intervals = trimmed_interval(differences, resolution=resolution)
        corrected = holm(paired_t_test(differences, resolution).tolist())
        centers, lows, highs = (each.tolist() for each in intervals)
        tested = dict(zip(pairs, map(_judged, pairs, centers, lows, highs, corrected), strict=True))
    return [tested.get(pair) or _not_compared(*pair) for pair in itertools.combinations(scores, 2)]


def _not_compared(better: str, other: str) -> Comparison:
    return Comparison(better, other, math.nan, -math.inf, math.inf, math.nan, "not compared")


def _judged(pair: tuple[str, str], difference: float, low: float, high: float, p: float) -> Comparison:
    better, other = pair
    verdict = "better" if p < LEVEL else "not distinguishable"
    if difference < 0:  # in order by seeds that not all have
        better, other, difference, low, high = other, better, -difference, -high, -low
    return Comparison(better, other, difference, low, high, p, verdict)


def sentence(each: Comparison, metric: str) -> str:
    """Say in words what a comparison shows.

    Example:
        >>> print(sentence(Comparison("adam", "sgd", 0.1, 0.05, 0.15, 0.004, "better"), "val/loss"))
        adam is better than sgd: val/loss by 0.1 [0.05, 0.15], p = 0.004
        >>> print(sentence(Comparison("adam", "sgd", 0.1, -0.1, 0.3, 0.4, "not distinguishable"), "val/loss"))
        adam and sgd are not distinguishable: val/loss differs by 0.1 [-0.1, 0.3], p = 0.4
    """
    if each.verdict == "not compared":
        return f"{each.better} and {each.other} are not compared: a run failed, or they share fewer than two seeds"
    numbers = f"by {each.difference:.3g} [{each.low:.3g}, {each.high:.3g}], p = {each.p:.2g}"
    if each.verdict == "better":
        return f"{each.better} is better than {each.other}: {metric} {numbers}"
    but = f"; the interval leaves 0 out, but p is not below {LEVEL:g}" if each.low > 0 else ""
    return f"{each.better} and {each.other} are not distinguishable: {metric} differs {numbers}{but}"


def why_no_ranking(scores: Scores, trials: Mapping[str, int]) -> str:
    """Return why the optimizers cannot be ranked, in words; '' where they can.

    Args:
        scores: one for each optimizer and seed.
        trials: how many trials each was tuned with.

    Example:
        >>> why_no_ranking({"adam": {0: 0.1}, "sgd": {0: 0.2}}, {"adam": 5, "sgd": 5})
        'no ranking: adam has 1 seed, sgd has 1 seed; at least 3 are needed'
        >>> why_no_ranking({"adam": dict.fromkeys(range(3), 0.1)}, {"adam": 5, "sgd": 4})
        'no ranking: unequal budgets: adam 5, sgd 4 trials'
    """
    few = [f"{name} has {counted(len(runs), 'seed')}" for name, runs in scores.items() if len(runs) < FEWEST_SEEDS]
    if few:
        return f"no ranking: {', '.join(few)}; at least {FEWEST_SEEDS} are needed"
    if len({frozenset(runs) for runs in scores.values()}) > 1:
        seeds = ", ".join(f"{name} {', '.join(map(str, sorted(runs)))}" for name, runs in scores.items())
        return f"no ranking: the seeds differ ({seeds}), and differences are paired by seed"
    if len({*trials.values()}) > 1:
        return f"no ranking: unequal budgets: {', '.join(f'{name} {count}' for name, count in trials.items())} trials"
    return ""


def counted(count: int, noun: str) -> str:
    """Write how many there are.

    Example:
        >>> counted(1, "seed"), counted(3, "seed")
        ('1 seed', '3 seeds')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

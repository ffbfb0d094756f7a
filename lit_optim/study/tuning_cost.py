"""Measures how hard an optimizer is to tune: the expected best of k trials, and the sensitivity to the lr."""

from __future__ import annotations

from collections.abc import Sequence

from lit_optim.study.selection import TrialResult, losses


def expected_best_of(results: Sequence[TrialResult], mode: str, worst: float) -> list[float]:
    """Return the expected best score of k trials, for k = 1 to all of them (Dodge et al. 2019, arXiv:1909.03004).

    The trials are drawn with replacement from those that were made: the maximum of k has the distribution function
    P(score <= v)^k.

    Args:
        results: trials whose values were drawn at random.
        mode: ``min`` or ``max`` of the metric.
        worst: the score that counts for a trial that failed: that of the model before training.

    Example:
        >>> expected_best_of([TrialResult({}, 1.0), TrialResult({}, 3.0)], "max", worst=0.0)
        [2.0, 2.5]
    """
    sign = -1.0 if mode == "max" else 1.0
    ordered = sorted(min(loss, sign * worst) for loss in losses(results, mode))
    count = len(ordered)
    curves = (
        sum(loss * ((1 - i / count) ** k - (1 - (i + 1) / count) ** k) for i, loss in enumerate(ordered))
        for k in range(1, count + 1)
    )
    return [sign * value for value in curves]


def lr_sensitivity(results: Sequence[TrialResult], mode: str, worst: float) -> float:
    """Return how much worse an lr is on average than the best one (Wortsman et al. 2023, arXiv:2309.14322).

    That is the mean of min(loss, loss before training) - loss of the best, over lrs that are uniform in their
    logarithm; 0 is an optimizer for which any of them will do.

    Args:
        results: trials at lrs on a grid, or quasi-random ones.
        mode: ``min`` or ``max`` of the metric.
        worst: the score before training, which counts for every worse one.

    Example:
        >>> lr_sensitivity([TrialResult({}, 1.0), TrialResult({}, 0.5), TrialResult({}, 9.0)], "min", worst=3.0)
        1.0
    """
    sign = -1.0 if mode == "max" else 1.0
    bounded = [min(loss, sign * worst) for loss in losses(results, mode)]
    return sum(bounded) / len(bounded) - min(bounded)

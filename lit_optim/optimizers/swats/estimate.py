"""Estimate the learning rate with which SGD would take Adam's steps, by pure functions."""

from __future__ import annotations

from typing import NamedTuple


class Estimate(NamedTuple):
    """The estimate after ``k`` steps of Adam.

    Args:
        k: steps of Adam so far.
        gamma: the estimate of the last step that had one.
        lam: its running average, biased towards 0.
    """

    k: int = 0
    gamma: float = 0.0
    lam: float = 0.0


def observe(before: Estimate, pp: float, pg: float, beta2: float) -> Estimate:
    """Update the estimate by one more step ``p`` of Adam on the gradient ``g``.

    gamma_k = p.p / -(p.g),  lam_k = beta2 lam_{k-1} + (1 - beta2) gamma_k;  where p.g = 0 both stay as they are.

    Args:
        before: the estimate so far.
        pp: dot product of the step with itself.
        pg: of the step with the gradient it was taken on.
        beta2: Adam's.

    Example:
        >>> observe(Estimate(), pp=4.0, pg=-2.0, beta2=0.75)
        Estimate(k=1, gamma=2.0, lam=0.5)
    """
    if pg == 0:
        return before._replace(k=before.k + 1)
    gamma = pp / -pg
    return Estimate(before.k + 1, gamma, beta2 * before.lam + (1 - beta2) * gamma)


def sgd_lr(estimate: Estimate, beta2: float) -> float:
    """Return Lambda, the learning rate for SGD: the bias-corrected ``lam``; 0 before the first step.

    Example:
        >>> sgd_lr(Estimate(1, 2.0, 0.5), beta2=0.75)
        2.0
    """
    return estimate.lam / (1 - beta2**estimate.k) if estimate.k else 0.0


def distance(estimate: Estimate, beta2: float) -> float:
    """Return the distance of the average from the last estimate, which the criterion compares.

    Example:
        >>> distance(Estimate(1, 2.0, 0.5), beta2=0.75)
        0.0
    """
    return abs(sgd_lr(estimate, beta2) - estimate.gamma)


def has_settled(estimate: Estimate, beta2: float, tol: float, rtol: float, min_steps: int) -> bool:
    """Return whether the average is positive and closer to the last estimate than the tolerance.

    Args:
        estimate: after the present step.
        beta2: Adam's.
        tol: absolute, in units of the learning rate.
        rtol: relative to the last estimate; the larger of the two counts.
        min_steps: of Adam; the paper's k > 1 is 2.

    Example:
        >>> has_settled(Estimate(2, 2.0, 0.875), 0.75, tol=1e-9, rtol=0.0, min_steps=2)
        True
    """
    near = distance(estimate, beta2) < max(tol, rtol * abs(estimate.gamma))
    return estimate.k >= min_steps and sgd_lr(estimate, beta2) > 0 and near

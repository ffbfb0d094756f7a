from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from lit_optim.schedules.base import Schedule, Steps
from lit_optim.schedules.checks import at_least


def multistep(total_steps: int | None = None, *, milestones: Sequence[Steps], gamma: float = 0.1) -> Schedule:
    """Drops at given steps: ``f(t) = gamma ** (number of milestones <= t)``.

    A milestone that is named twice drops twice, as in torch's MultiStepLR.

    Args:
        total_steps: not used; the schedule is endless.
        milestones: optimizer steps (or any durations), each at least 0.
        gamma: factor of each drop, at least 0.

    Example:
        >>> [multistep(milestones=[1, 3], gamma=0.1)(t) for t in range(4)]
        [1.0, 0.1, 0.1, 0.010000000000000002]
    """
    edges = sorted(milestones)
    for edge in edges:
        at_least(0, milestones=edge)
    at_least(0.0, gamma=gamma)
    return lambda step: float(gamma ** bisect_right(edges, step))

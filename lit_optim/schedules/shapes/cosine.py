from __future__ import annotations

from math import cos, pi

from lit_optim.schedules.base import Schedule, known, progress
from lit_optim.schedules.checks import above, at_least


def cosine(
    total_steps: int | None = None, *, start_factor: float = 1.0, end_factor: float = 0.0, k: float = 1.0
) -> Schedule:
    r"""Half a cosine: ``f(t) = end + (start - end) * (1 + cos(pi * (t / total_steps) ** k)) / 2``.

    Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5 without restarts; with ``k`` the k-decay of Zhang & Li 2020,
    arXiv:2004.05909. Past ``total_steps`` it stays at ``end_factor``, where torch's CosineAnnealingLR climbs again.

    Args:
        total_steps: optimizer steps of the phase.
        start_factor: factor at step 0, at least 0.
        end_factor: factor at step ``total_steps`` and from there on, at least 0.
        k: power of the time, above 0; above 1 = it falls later and more steeply.

    Raises:
        LengthUnknown: without ``total_steps``.

    Example:
        >>> [round(cosine(4, end_factor=0.2)(t), 3) for t in range(6)]
        [1.0, 0.883, 0.6, 0.317, 0.2, 0.2]
    """
    n = known(total_steps)
    at_least(0.0, start_factor=start_factor, end_factor=end_factor)
    above(0.0, k=k)
    half = (start_factor - end_factor) / 2
    if k == 1.0:
        return lambda step: end_factor + half * (1.0 + cos(pi * progress(step, n)))
    return lambda step: end_factor + half * (1.0 + cos(pi * progress(step, n) ** k))

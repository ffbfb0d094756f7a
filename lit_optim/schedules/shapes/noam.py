from __future__ import annotations

from math import sqrt

from lit_optim.schedules.base import Schedule, Steps
from lit_optim.schedules.checks import at_least


def noam(
    total_steps: int | None = None, *, warmup_steps: Steps, model_size: int | None = None, offset: Steps = 0
) -> Schedule:
    """A linear ramp to 1, then one over the root: ``f(t) = sqrt(W) * min(s ** -0.5, s * W ** -1.5)``.

    Vaswani et al. 2017, arXiv:1706.03762, eq. 3, with s = t + 1 + offset and W = ``warmup_steps``, divided by its own
    peak, so that the lr is the peak. With ``model_size`` d it is the paper's own value ``d ** -0.5 * min(...)``, for
    which the optimizer's lr has to be 1.

    Args:
        total_steps: not used; the schedule is endless.
        warmup_steps: optimizer steps (or any duration) of the ramp, which is a part of this shape, at least 1.
        model_size: width of the model, at least 1; null = the peak is 1.
        offset: optimizer steps (or any duration) that are behind already; ``warmup_steps`` where the warmup slot ramps
            (in a configuration both are ``warmup``).

    Example:
        >>> [noam(warmup_steps=4)(t) for t in (0, 1, 3, 15)]
        [0.25, 0.5, 1.0, 0.5]
    """
    at_least(1, warmup_steps=warmup_steps)
    at_least(0, offset=offset)
    peak = 1.0
    if model_size is not None:
        at_least(1, model_size=model_size)
        peak = 1 / sqrt(model_size * warmup_steps)
    first, rise, root = 1 + offset, peak / warmup_steps, peak * sqrt(warmup_steps)

    def ramp_and_root(step: int) -> float:
        s = step + first
        return root / sqrt(s) if s > warmup_steps else rise * s

    return ramp_and_root

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sqrt
from typing import Literal, get_args

from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.schedules.base import Schedule, Steps, known
from lit_optim.schedules.checks import above, at_least

Tail = Literal["linear", "cosine", "1-sqrt", "1-square", "exp"]
TAILS: dict[str, Callable[[float], float]] = {
    "linear": lambda r: 1 - r,
    "cosine": lambda r: (1 + cos(pi * r)) / 2,
    "1-sqrt": lambda r: 1 - sqrt(r),
    "1-square": lambda r: 1 - r * r,
}


def wsd(
    total_steps: int | None = None,
    *,
    decay: Steps,
    tail: Tail = "1-sqrt",
    start_factor: float = 1.0,
    end_factor: float = 0.0,
) -> Schedule:
    """Stable, then a short decay: ``f(t) = end + (start - end) * g(r)``, r = the share of the decay that is behind.

    Hu et al. 2024, arXiv:2404.06395 (warmup-stable-decay). g is 1 - r, (1 + cos(pi * r)) / 2, 1 - sqrt(r) or
    1 - r ** 2; the tail ``exp`` is ``start * (end / start) ** r``. All of them end at ``end_factor`` exactly.

    Args:
        total_steps: optimizer steps of the phase.
        decay: optimizer steps (or any duration) of the tail, at least 0; one longer than the phase is the whole phase.
        tail: ``linear``, ``cosine``, ``1-sqrt``, ``1-square`` or ``exp``.
        start_factor: factor until the tail, at least 0, above 0 with ``exp``.
        end_factor: factor at step ``total_steps`` and from there on, at least 0, above 0 with ``exp``.

    Raises:
        LengthUnknown: without ``total_steps``.

    Example:
        >>> [wsd(8, decay=4, tail="linear")(t) for t in (0, 4, 5, 6, 7, 8, 9)]
        [1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    n = known(total_steps)
    at_least(0, decay=decay)
    at_least(0.0, start_factor=start_factor, end_factor=end_factor)
    if tail not in get_args(Tail):
        raise ConfigError(
            wrong("tail", tail, f"no tail of that name{did_you_mean(tail, get_args(Tail), list_all=True)}")
        )
    if tail == "exp":
        above(0.0, start_factor=start_factor, end_factor=end_factor)
        ratio = end_factor / start_factor
    length = min(decay, n)
    begin, span, g = n - length, start_factor - end_factor, TAILS.get(tail)

    def stable_then_down(step: int) -> float:
        if step < begin:
            return start_factor
        if step >= n:
            return end_factor
        r = (step - begin) / length
        return end_factor + span * g(r) if g else float(start_factor * ratio**r)

    return stable_then_down

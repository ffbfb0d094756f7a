from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from lit_optim.schedules.checks import above, at_least, between


class PlateauState(NamedTuple):
    """What a plateau has to remember: plain numbers, so that a checkpoint holds them as they are."""

    scale: float = 1.0
    best: float | None = None
    num_bad: int = 0
    cooldown_left: int = 0


def improved(value: float, best: float | None, mode: str, threshold: float, threshold_mode: str) -> bool:
    """Whether ``value`` beats ``best`` by the threshold; NaN never does.

    ``rel``: by ``threshold * |best|`` (torch takes ``best`` without the bars, and so lets a negative metric get worse);
    ``abs``: by ``threshold``.

    Example:
        >>> improved(0.8, 1.0, "min", 0.1, "rel"), improved(-0.95, -1.0, "min", 0.1, "rel")
        (True, False)
    """
    if math.isnan(value):
        return False
    if best is None:
        best = math.inf if mode == "min" else -math.inf
    margin = threshold * abs(best) if threshold_mode == "rel" else threshold
    if math.isinf(best):  # inf - inf says nothing; any other value beats the worst one
        return value < best if mode == "min" else value > best
    return value < best - margin if mode == "min" else value > best + margin


@dataclass(frozen=True)
class Plateau:
    """A schedule of factor 1 whose ``scale`` drops when a metric stops improving: see `plateau`."""

    factor: float
    patience: int
    threshold: float
    threshold_mode: str
    cooldown: int
    mode: str
    floor: float  # of the scale
    least_change: float  # of the scale; smaller reductions are not applied
    start = PlateauState()

    def __call__(self, step: int) -> float:  # noqa: D102 - it is a schedule
        return 1.0

    def observe(self, state: PlateauState, value: float) -> PlateauState:
        """The state after one more value of the metric (torch's order of operations)."""
        scale, best, num_bad, cooldown_left = state
        if improved(value, best, self.mode, self.threshold, self.threshold_mode):
            best, num_bad = value, 0
        else:
            num_bad += 1
        if cooldown_left > 0:
            cooldown_left, num_bad = cooldown_left - 1, 0
        if num_bad > self.patience:
            num_bad, cooldown_left = 0, self.cooldown
            reduced = max(scale * self.factor, self.floor)
            scale = reduced if scale - reduced > self.least_change else scale
        return PlateauState(scale, best, num_bad, cooldown_left)


def plateau(
    total_steps: int | None = None,
    *,
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: Literal["rel", "abs"] = "rel",
    cooldown: int = 0,
    min_lr: float = 0.0,
    eps: float = 1e-8,
    mode: Literal["min", "max"] = "min",
    base_lr: float = 1.0,
) -> Plateau:
    """Multiplies by ``factor`` at the ``patience + 1``-th consecutive value of a metric that brings no improvement.

    torch's ReduceLROnPlateau, as a phase: values that arrive before the phase begins are not counted, NaN counts as
    bad, and all groups keep their ratios.

    Args:
        total_steps: not used; the schedule is endless.
        factor: of each reduction, in (0, 1).
        patience: consecutive bad values that are still tolerated, at least 0.
        threshold: what counts as an improvement, at least 0.
        threshold_mode: ``rel`` to the best value, or ``abs``.
        cooldown: values after a reduction that are not counted as bad, at least 0.
        min_lr: absolute floor of the lr, at least 0.
        eps: absolute change of the lr, at least 0; a smaller reduction is not applied.
        mode: ``min`` for a loss, ``max`` for an accuracy.
        base_lr: the optimizer's own lr, above 0, to which ``min_lr`` and ``eps`` are related; groups scale along.

    Example:
        >>> schedule, state = plateau(factor=0.5, patience=1), PlateauState()
        >>> for loss in [1.0, 1.0, 1.0]:
        ...     state = schedule.observe(state, loss)
        >>> state.scale
        0.5
    """
    between(0.0, 1.0, factor=factor)
    at_least(0, patience=patience, threshold=threshold, cooldown=cooldown, min_lr=min_lr, eps=eps)
    above(0.0, base_lr=base_lr)
    return Plateau(factor, patience, threshold, threshold_mode, cooldown, mode, min_lr / base_lr, eps / base_lr)

"""Record SWATS's estimate of each step of a fit; write its table and picture, and advise on the tolerance."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping
from typing import Any

from lit_optim.optimizers.swats.estimate import Estimate, distance


class History:
    """The estimates of one fit, over the param groups that share an estimate.

    Args:
        name: of the param group, where each group has its own estimate.

    Example:
        >>> history = History()
        >>> history.note(1, {"k": 1, "gamma": 0.1, "lam": 0.05, "sgd_lr": 0.1, "phase": "adam", "betas": (0.9, 0.5)})
        True
        >>> list(estimates_table([history]))
        [['step', 'gamma', 'sgd_lr', 'distance'], [1, 0.1, 0.1, 0.0]]
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.steps, self.gammas, self.sgd_lrs, self.distances = array("q"), array("d"), array("d"), array("d")
        self.used_steps, self.used_lrs = array("q"), array("d")
        self.switched_at: int | None = None
        self.switch = ""
        self._last = -1

    def note(self, step: int, group: Mapping[str, Any], scale: float = 1.0) -> bool:
        """Record one more step of Adam, or a switch between two steps.

        Args:
            step: optimizer steps of the run so far.
            group: one of the groups.
            scale: Adam's lr, where the estimate is relative to it.

        Returns:
            Whether Adam has taken a step, or has been left, since the last call.
        """
        if self.switched_at is not None:
            return False
        first, is_new, in_sgd = self._last == -1, group["k"] != self._last, bool(group["phase"] == "sgd")
        self._last = group["k"]
        if in_sgd:
            self.switched_at = step if is_new else self.steps[-1]
            if first and step != group["switched_at"]:  # resumed after the switch: there is nothing to report
                return False
        if not is_new:
            return in_sgd
        self.steps.append(step)
        self.gammas.append(group["gamma"] * scale)
        self.sgd_lrs.append(group["sgd_lr"])
        self.distances.append(distance(Estimate(group["k"], group["gamma"], group["lam"]), group["betas"][1]))
        return True

    def use(self, step: int, lr: float) -> None:
        """Record the lr that the next optimizer step uses; of several batches of one step the last one counts.

        Args:
            step: its number, from 1.
            lr: the largest of the groups that share the estimate.
        """
        if self.used_steps[-1:] != array("q", [step]):
            self.used_steps.append(step)
            self.used_lrs.append(lr)
        self.used_lrs[-1] = lr

    def describe_switch(self, beta1: float) -> str:
        """Return what console and picture say of the switch, after it.

        Args:
            beta1: momentum of SGD.
        """
        step, rate = (self.switched_at or 0) + 1, self.sgd_lrs[-1]
        lr = f"lr {(1 - beta1) * rate:.3g} = (1 - {beta1:g}) * {rate:.3g}"
        self.switch = f"SWATS{self.of_group}: SGD with momentum {beta1:g} from optimizer step {step} on, {lr}"
        return self.switch

    @property
    def of_group(self) -> str:
        """Return the group's name for messages; empty where all groups share the estimate."""
        return f" (group {self.name})" if self.name else ""

    @property
    def last(self) -> dict[str, float]:
        """Return the last estimate, for loggers."""
        end = f"/{self.name}" if self.name else ""
        values = {"gamma": self.gammas, "sgd_lr": self.sgd_lrs, "distance": self.distances}
        return {f"swats/{key}{end}": series[-1] for key, series in values.items()}


def advice(history: History, switch_tol: float, *, lr_moves: bool) -> str:
    """Return advice for a run that never switched, from how close average and estimate came."""
    series = zip(history.distances, history.sgd_lrs, history.steps, strict=True)
    distances = [(each, step) for each, sgd_lr, step in series if sgd_lr > 0]
    away, step = min(distances[1:] or distances, default=(math.inf, 0))  # that of the first step is always 0
    near = "the average was never positive"
    if step:
        near = f"average and estimate came within {away:.1e} of each other (step {step}), the tolerance is"
        near += f" switch_tol={switch_tol:g}, and the average is now {history.sgd_lrs[-1]:.2g}"
    moves = "; a schedule moves the lr, and the estimate with it: normalize_by_lr=true" if lr_moves else ""
    return (
        f"SWATS{history.of_group} did not switch in {len(history.steps)} steps of Adam: {near}. Write "
        f"optim_callbacks.swats.switch_tol={away * 2:.0e} or more, or be sure with optim_callbacks.swats.at=50%{moves}"
    )


def estimates_table(histories: list[History]) -> Iterator[list[Any]]:
    """Yield the rows of the csv file, the header first.

    Example:
        >>> list(estimates_table([History("bias")]))
        [['group', 'step', 'gamma', 'sgd_lr', 'distance']]
    """
    yield [*(["group"] if histories[0].name else []), "step", "gamma", "sgd_lr", "distance"]
    for history in histories:
        for row in zip(history.steps, history.gammas, history.sgd_lrs, history.distances, strict=True):
            yield [*([history.name] if history.name else []), *row]

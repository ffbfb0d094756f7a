"""What SWATS estimated at every step of a fit: a table and a picture."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lit_optim.optimizers.swats.estimate import Estimate, distance
from lit_optim.plots.lr_estimates import draw_estimates


class History:
    """The estimates of one fit: of the groups that share one.

    Args:
        name: of the param group, where each has an estimate of its own.

    Example:
        >>> history = History()
        >>> history.note(1, {"k": 1, "gamma": 0.1, "lam": 0.05, "sgd_lr": 0.1, "phase": "adam", "betas": (0.9, 0.5)})
        True
        >>> list(history.rows())
        [[1, 0.1, 0.1, 0.0]]
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.steps, self.gammas, self.sgd_lrs, self.distances = array("q"), array("d"), array("d"), array("d")
        self.switched_at: int | None = None
        self._last = -1

    def note(self, step: int, group: Mapping[str, Any], scale: float = 1.0) -> bool:
        """Takes down one more step of Adam, or a switch between two steps; whether there was one of them.

        Args:
            step: optimizer steps of the run so far.
            group: one of the groups.
            scale: Adam's lr, where the estimate is relative to it.
        """
        if self.switched_at is not None:
            return False
        first = self._last == -1
        if group["k"] == self._last:
            self.switched_at = self.steps[-1] if group["phase"] == "sgd" else None
            return self.switched_at is not None
        self._last = group["k"]
        if group["phase"] == "sgd":
            self.switched_at = step
            if first and step != group["switched_at"]:  # resumed after the switch: there is nothing to tell
                return False
        self.steps.append(step)
        self.gammas.append(group["gamma"] * scale)
        self.sgd_lrs.append(group["sgd_lr"])
        self.distances.append(distance(Estimate(group["k"], group["gamma"], group["lam"]), group["betas"][1]))
        return True

    @property
    def last(self) -> dict[str, float]:
        """The last estimate, as loggers are told it."""
        end = f"/{self.name}" if self.name else ""
        values = {"gamma": self.gammas, "sgd_lr": self.sgd_lrs, "distance": self.distances}
        return {f"swats/{key}{end}": series[-1] for key, series in values.items()}

    @property
    def never_switched(self) -> bool:
        """Whether Adam took steps, to the last one."""
        return self.switched_at is None and len(self.steps) > 0

    def closest(self) -> tuple[float, int]:
        """The closest that average and estimate came, and at which step; the first step says nothing of it."""
        found = [(d, step) for d, lr, step in zip(self.distances, self.sgd_lrs, self.steps, strict=True) if lr > 0]
        return min(found[1:] or found, default=(math.inf, 0))

    def rows(self) -> Iterator[list[Any]]:
        """The rows of the table."""
        for row in zip(self.steps, self.gammas, self.sgd_lrs, self.distances, strict=True):
            yield [*([self.name] if self.name else []), *row]


def advice(history: History, switch_tol: float, *, lr_moves: bool) -> str:
    """What to do about a run that never switched."""
    away, step = history.closest()
    last = history.sgd_lrs[-1]
    if step:
        near = f"average and estimate came within {away:.1e} of each other (step {step}), the tolerance is"
        near += f" switch_tol={switch_tol:g}, and the average is now {last:.2g}"
    else:
        near = "the average was never positive"
    where = f" (group {history.name})" if history.name else ""
    moves = "; a schedule moves the lr, and the estimate with it: normalize_by_lr=true" if lr_moves else ""
    return (
        f"SWATS{where} did not switch in {len(history.steps)} steps of Adam: {near}. Write "
        f"optim_callbacks.swats.switch_tol={away * 2:.0e} or more, or be sure with optim_callbacks.swats.at=50%{moves}"
    )


def write(histories: list[History], folder: Path) -> None:
    """Writes ``swats.csv``, and with matplotlib ``swats.png``."""
    told = [history for history in histories if history.steps]
    if not told:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "swats.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([*(["group"] if told[0].name else []), "step", "gamma", "sgd_lr", "distance"])
        for history in told:
            rows.writerows(history.rows())
    if find_spec("matplotlib") is not None:
        draw_estimates(told).savefig(folder / "swats.png")

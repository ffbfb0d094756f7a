"""What SWATS estimated at every step of a fit: a table and a picture."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#444444"


class History:
    """The estimates of a fit, of the first param group (of all, where the scope is global).

    Example:
        >>> history = History()
        >>> history.note(1, {"k": 1, "gamma": 0.1, "sgd_lr": 0.1, "phase": "adam", "switched_at": 0})
        True
        >>> history.smallest_distance()
        (0.0, 1)
    """

    def __init__(self) -> None:
        self.steps, self.gammas, self.sgd_lrs = array("q"), array("d"), array("d")
        self.switched_at: int | None = None
        self._last = -1

    def note(self, step: int, group: Mapping[str, Any]) -> bool:
        """Takes down one more step of Adam; whether it was one."""
        if group["k"] == self._last or self.switched_at is not None:
            return False
        first = self._last == -1
        self._last = group["k"]
        if group["phase"] == "sgd":
            self.switched_at = step
            if first:  # resumed after the switch: there is nothing to tell
                return False
        self.steps.append(step)
        self.gammas.append(group["gamma"])
        self.sgd_lrs.append(group["sgd_lr"])
        return True

    @property
    def never_switched(self) -> bool:
        """Whether Adam took steps, to the last one."""
        return self.switched_at is None and len(self.steps) > 0

    def smallest_distance(self) -> tuple[float, int]:
        """The closest that average and estimate came, and at which step; the first step says nothing of it."""
        found = [(abs(a - b), step) for a, b, step in zip(self.sgd_lrs, self.gammas, self.steps, strict=True) if a > 0]
        return min(found[1:] or found, default=(math.inf, 0))

    def advice(self, options: Mapping[str, Any]) -> str:
        """What to do about a run that never switched."""
        away, step = self.smallest_distance()
        near = f"average and estimate came within {away:.1e} of each other (step {step})" if step else "no Lambda > 0"
        wanted = f"switch_tol={options['switch_tol']:g}"
        return (
            f"SWATS did not switch in {len(self.steps)} steps of Adam: {near}, {wanted}; with minibatch noise "
            "optim_callbacks.swats.switch_tol=1e-5 is what fires, at=50% is sure to, and a schedule that moves the lr "
            "needs normalize_by_lr=true"
        )

    def write(self, folder: Path) -> None:
        """Writes ``swats.csv``, and with matplotlib ``swats.png``."""
        if not self.steps:
            return
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "swats.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["step", "gamma", "sgd_lr", "distance"])
            for step, gamma, lr in zip(self.steps, self.gammas, self.sgd_lrs, strict=True):
                rows.writerow([step, gamma, lr, abs(lr - gamma)])
        if find_spec("matplotlib") is not None:
            self.picture().savefig(folder / "swats.png")

    def picture(self) -> Figure:
        """Both estimates over the steps of Adam, the switch marked."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 4), dpi=100, layout="constrained")
        axes = figure.subplots()
        axes.plot(self.steps, self.gammas, color="#b9c7dc", linewidth=1, label="estimate of the step")
        axes.plot(self.steps, self.sgd_lrs, color="#1f5fa8", linewidth=2, label="its running average")
        if any(lr > 0 for lr in self.sgd_lrs):
            axes.set_yscale("log")
        if self.switched_at is not None:
            axes.axvline(self.switched_at, color="#d1622b", linewidth=1.5)
            text = f"SGD, lr {self.sgd_lrs[-1]:.3g}"
            axes.annotate(
                text, (self.switched_at, 1.0), (-4, -4), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="right", va="top", color="#d1622b",
            )  # fmt: skip
        axes.set_title("the learning rate that SGD would need for Adam's steps", loc="left", fontsize=12, color=INK)
        axes.set_xlabel("optimizer step", color=INK)
        axes.tick_params(length=0, colors=INK)
        axes.grid(axis="y", color="#dddddd", linewidth=0.8)
        axes.spines[:].set_visible(False)
        axes.legend(loc="lower left", frameon=False, labelcolor=INK)
        return figure

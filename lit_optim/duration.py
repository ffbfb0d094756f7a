"""Parses lengths of a schedule, ``500 | 0.05 | "5%" | "2ep"``, and converts them to optimizer steps."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Real
from typing import Any

from lit_optim.errors import ConfigError, wrong

MOST = 10**18  # of any unit: a float counts no further
_EXAMPLES = "write e.g. 1500, 0.05, 5% or 2ep"
_NUMBER = r"[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_TEXT = re.compile(rf"\s*(?P<number>{_NUMBER})\s*(?P<unit>%|[a-zA-Z]*)\s*", re.ASCII)
_UNITS = {"": "", "%": "%", "ep": "ep", "epoch": "ep", "epochs": "ep", "st": "steps", "step": "steps", "steps": "steps"}


COUNT = "must be a whole number of at least 1"


def is_count(value: Any) -> bool:
    """Return whether a value is a number of steps, epochs or times: a whole number of at least 1.

    Example:
        >>> [is_count(value) for value in (3, 1e3, 0, 2.5, True, "3", float("inf"))]
        [True, True, False, False, False, False, False]
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 1 <= value < math.inf and value % 1 == 0


class RunTooShort(ConfigError):
    """Phases are longer than the run; ``steps`` is what they need."""

    steps = 0


class LengthUnknown(ConfigError):
    """A duration or a schedule needs the length of the run (or of an epoch), which is not known."""


@dataclass(frozen=True)
class RunLength:
    """How long a run is, as far as that is known.

    Args:
        total_steps: optimizer steps of the whole run; None where unknown or endless.
        steps_per_epoch: optimizer steps of one epoch; None where unknown.
        unknown_because: why ``total_steps`` is None and what to set, for the error message.
        max_epochs: the limit in epochs; None where unknown or without limit.
        shortened_by: the Trainer's argument that makes it a short trial; '' where there is none.
        knots: (optimizer steps, epochs) where the length of an epoch has changed, from (0, 0) on; linear between them,
            and ``steps_per_epoch`` from the last one on. Empty: it has not changed.
    """

    total_steps: int | None = None
    steps_per_epoch: int | None = None
    unknown_because: str = "total_steps is unknown; pass total_steps="
    max_epochs: int | None = None
    shortened_by: str = ""
    knots: tuple[tuple[Fraction, Fraction], ...] = ()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> RunLength:
        """Read ``total_steps``, ``steps_per_epoch`` and the limits under ``trainer`` from a configuration.

        Example:
            >>> run = RunLength.from_config({"trainer": {"max_epochs": 3, "max_steps": 25}, "steps_per_epoch": 10})
            >>> run.total_steps, run.epochs
            (25, 3)
        """
        trainer = config.get("trainer")
        trainer = trainer if isinstance(trainer, Mapping) else {}
        lengths: list[Any] = [config.get("total_steps"), config.get("steps_per_epoch")]
        limits: list[Any] = [trainer.get("max_steps"), trainer.get("max_epochs")]
        known = (int(value) if is_count(value) else None for value in lengths + limits)
        total, per_epoch, max_steps, max_epochs = known
        if total is None:
            by_epochs = max_epochs * per_epoch if max_epochs and per_epoch else None
            total = min((limit for limit in (max_steps, by_epochs) if limit is not None), default=None)
        return cls(total, per_epoch, max_epochs=max_epochs)

    @property
    def epochs(self) -> int | None:
        """The epochs that the run begins; None where unknown."""
        if self.total_steps is None or self.steps_per_epoch is None:
            return self.max_epochs
        begun = math.ceil(self.total_steps / self.steps_per_epoch)
        return begun if self.max_epochs is None else min(begun, self.max_epochs)

    def of_steps(self, total_steps: float | None) -> RunLength:
        """Return the length for an optimizer that takes so many steps in the run, alike in every epoch.

        Example:
            >>> run = RunLength(total_steps=100, steps_per_epoch=10).of_steps(500)
            >>> run.total_steps, run.steps_per_epoch
            (500, 50)
        """
        if total_steps is None or not self.total_steps:
            return self
        epoch = self.steps_per_epoch and max(1, round(self.steps_per_epoch * total_steps / self.total_steps))
        return replace(self, total_steps=int(total_steps), steps_per_epoch=epoch)

    def total(self, key: str) -> int:
        """Return ``total_steps``, or raise `LengthUnknown` with the reason, at ``key``."""
        if self.total_steps is None:
            raise LengthUnknown(f"{key}: {self.unknown_because}")
        return self.total_steps

    def epoch(self, key: str) -> int:
        """Return ``steps_per_epoch``, or raise `LengthUnknown` at ``key``."""
        if self.steps_per_epoch is None:
            raise LengthUnknown(f"{key}: the length of an epoch is unknown; write steps (500) or a share (5%) instead")
        return self.steps_per_epoch

    def epochs_at(self, step: Fraction | int, key: str = "epochs") -> Fraction:
        """Return the epochs that are done at an optimizer step.

        Example:
            >>> half = RunLength(steps_per_epoch=5, knots=((Fraction(0), Fraction(0)), (Fraction(20), Fraction(2))))
            >>> [str(half.epochs_at(step)) for step in (15, 20, 25)], str(half.step_at(Fraction(3)))
            (['3/2', '2', '3'], '25')
        """
        begin, epochs, rate = self._segment(0, step, key)
        return epochs + (step - begin) / rate

    def step_at(self, epochs: Fraction, key: str = "epochs") -> Fraction:
        """Return the optimizer step at which so many epochs are done."""
        begin, done, rate = self._segment(1, epochs, key)
        return begin + (epochs - done) * rate

    def _segment(self, axis: int, position: Fraction | int, key: str) -> tuple[Fraction, Fraction, Fraction]:
        """Return the last knot that is not behind a position on one axis, and the steps an epoch from there on."""
        knots = self.knots or ((Fraction(0), Fraction(0)),)
        i = max(0, bisect_right([knot[axis] for knot in knots], position) - 1)
        if i + 1 < len(knots):
            (step, epochs), (next_step, next_epochs) = knots[i : i + 2]
            return step, epochs, (next_step - step) / (next_epochs - epochs)
        return *knots[i], Fraction(self.epoch(key))


@dataclass(frozen=True)
class Duration:
    """An exact length in one of three units: optimizer steps, share of the run, epochs."""

    amount: Fraction
    unit: str  # "steps" | "share" | "ep"

    def exact_steps(self, run_length: RunLength, key: str = "duration") -> Fraction:
        """Convert to optimizer steps without rounding: edges of phases are rounded later, so that lengths sum up.

        Example:
            >>> parse("2.5%").exact_steps(RunLength(total_steps=100))
            Fraction(5, 2)
        """
        if self.unit == "steps" or self.amount == 0:
            return self.amount
        return self.amount * (run_length.total(key) if self.unit == "share" else run_length.epoch(key))

    def steps(self, run_length: RunLength, key: str = "duration") -> int:
        """Convert to optimizer steps, rounded to the nearest (ties to even)."""
        return round(self.exact_steps(run_length, key))


def parse(value: Any, key: str = "duration") -> Duration:
    """Parse a duration.

    A whole number is a count of optimizer steps (``500``, ``1e3``, ``"1_000"``), a number in (0, 1) or a percentage
    up to ``"100%"`` is a share of the run, ``"2ep"`` / ``"1.5 epochs"`` are epochs, 0 is none.

    Args:
        value: what the user wrote.
        key: its dotted name, for the message.

    Raises:
        ConfigError: for everything else; also for 1.0 and 1.5, which may mean either unit.

    Example:
        >>> parse("2 epochs").steps(RunLength(steps_per_epoch=30))
        60
        >>> parse(1.5, "scheduler.warmup")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: scheduler.warmup=1.5: neither a share below 1 nor a whole number of steps; \
write e.g. 1500, 0.05, 5% or 2ep
    """
    if isinstance(value, Duration):
        return value
    amount, unit = _read(value, key)
    if amount < 0:
        raise ConfigError(wrong(key, value, f"a duration cannot be negative; {_EXAMPLES}"))
    if amount > MOST:
        raise ConfigError(wrong(key, value, f"longer than any run; {_EXAMPLES}"))
    if unit == "ep":
        return Duration(amount, "ep")
    if unit == "%":
        if amount > 100:
            raise ConfigError(wrong(key, value, "more than the whole run; write at most 100%"))
        return Duration(amount / 100, "share")
    if unit == "" and 0 < amount < 1:
        return Duration(amount, "share")
    if unit == "" and amount == 1 and not isinstance(value, int) and str(value).strip() not in ("1", "+1"):
        raise ConfigError(wrong(key, value, "ambiguous; write 1 for one step or 100% for the whole run"))
    if amount.denominator != 1:
        rule = f"neither a share below 1 nor a whole number of steps; {_EXAMPLES}"
        raise ConfigError(wrong(key, value, rule))
    return Duration(amount, "steps")


def _read(value: Any, key: str) -> tuple[Fraction, str]:
    if isinstance(value, str):
        found = _TEXT.fullmatch(value)
        if found and found["unit"].lower() in _UNITS:
            exponent = re.search(r"[eE]([+-]?\d+)$", found["number"])
            if exponent is None or abs(int(exponent[1])) <= 18:  # a longer exponent would only fill the memory
                return Fraction(found["number"].replace("_", "")), _UNITS[found["unit"].lower()]
    elif isinstance(value, Real) and not isinstance(value, bool) and (isinstance(value, int) or math.isfinite(value)):
        # the decimal the user wrote, not its nearest binary fraction: 0.05 of 1000 steps is 50
        return Fraction(str(value)), ""
    raise ConfigError(wrong(key, value, f"not a duration; {_EXAMPLES}"))

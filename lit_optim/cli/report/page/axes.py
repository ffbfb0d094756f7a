"""Places values along the axes of a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

FEW = 1.5  # decades, below which a logarithmic axis has ticks at 1, 2 and 5
LARGEST = 1e300  # beyond, a span is infinite
SPAN = 1e6  # of a logarithmic axis; an lr ends at nearly 0
FAR = 8.0  # spans of the middle values beyond which a value is cut off


class Scale(NamedTuple):
    """Maps the values of an axis to places in a picture.

    Args:
        low: value at the start.
        high: value at the end.
        start: place of the lowest value.
        end: place of the highest value.
        log: whether places follow the logarithm.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the place of a value; one beyond an end is at that end.

        Example:
            >>> Scale(0.0, 10.0, 100.0, 200.0).at(5.0), Scale(1.0, 100.0, 0.0, 10.0, log=True).at(1e9)
            (150.0, 10.0)
        """
        value = min(max(value, self.low), self.high)
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        share = ((math.log(value) if self.log else value) - low) / (high - low)
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Return whether a value lies on the axis."""
        return self.low <= value <= self.high  # false for NaN

    def ticks(self, count: int) -> list[float]:
        """Return about ``count`` round values along the axis."""
        return log_ticks(self.low, self.high, count) if self.log else linear_ticks(self.low, self.high, count)


def scale_of(
    values: Iterable[float], start: float, end: float, *, log: bool = False, zero: bool = False, cut: bool = False
) -> Scale:
    """Choose an axis that shows values, with a little room at both ends.

    Args:
        values: those that are not finite, or not positive on a logarithmic axis, are passed over.
        start: place of the lowest value.
        end: place of the highest value.
        log: whether places follow the logarithm.
        zero: whether the axis shows 0, and begins there where no value is below.
        cut: whether values that are far from most others are beyond the end, as the losses of a run that diverged.

    Example:
        >>> scale_of([0.0, 100.0], 0.0, 1.0, zero=True)
        Scale(low=0.0, high=104.0, start=0.0, end=1.0, log=False)
        >>> scale_of([float("nan")], 0.0, 1.0)[:2]
        (0.0, 1.0)
    """
    known = sorted(v for v in values if abs(v) < LARGEST and (v > 0 or not log))
    if not known:
        return Scale(1.0, 10.0, start, end, log) if log else Scale(0.0, 1.0, start, end)
    low, high = known[0], known[-1]
    if cut:
        first, last = known[len(known) // 10], known[-1 - len(known) // 10]
        span = last - first  # 0 where most are equal: nothing says what is far
        if span and high > last + FAR * span:
            high = last + span / 2
        if span and low < first - FAR * span and not log:
            low = first - span / 2
    if log:
        low = max(low, high / SPAN)
        room = max((high / low) ** 0.04, 1.02)
        return Scale(low / room, high * room, start, end, log=True)
    low, high = (min(low, 0.0), max(high, 0.0)) if zero else (low, high)
    room = 0.04 * (high - low) or 0.04 * abs(high) or 0.5
    return Scale(low if zero and low == 0 else low - room, high + room, start, end)


def linear_ticks(low: float, high: float, count: int) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of 10.

    Example:
        >>> linear_ticks(0.0, 1.0, 5), linear_ticks(-3.0, 12.0, 4)
        ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 5.0, 10.0])
    """
    power = math.floor(math.log10((high - low) / count))
    size, power = next(
        (m, p) for p in (power, power + 1) for m in (1, 2, 5) if m * 10.0**p >= (high - low) / count * 0.999
    )
    step = size * 10.0**power
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{i * step:.12g}") + 0.0 for i in range(first, last + 1)]


def log_ticks(low: float, high: float, count: int) -> list[float]:
    """Return powers of 10, with 2 and 5 times them on a short axis; linear ticks on one within a factor of 2.

    Example:
        >>> log_ticks(1e-4, 1.0, 5), log_ticks(1.0, 10.0, 5)
        ([0.0001, 0.001, 0.01, 0.1, 1.0], [1.0, 2.0, 5.0, 10.0])
    """
    decades = math.log10(high / low)
    if decades < 0.5:
        return linear_ticks(low, high, count)
    stride = max(1, math.ceil(decades / count))
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if decades < FEW else (1,)
    ticks = [float(f"{m}e{p}") for p in powers if p % stride == 0 for m in factors]
    return [tick for tick in ticks if low * 0.9999 <= tick <= high * 1.0001]

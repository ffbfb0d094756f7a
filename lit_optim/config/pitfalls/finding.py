"""Defines one mistake in a configuration, with its remedy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """A mistake, and what to write instead.

    Args:
        check: the name of the mistake.
        severity: ``error`` for what breaks or silently spoils a run, ``warning`` for what is probably not meant,
            ``note`` for what could not be checked.
        key: dotted name of the value.
        problem: what happens.
        remedy: what to write instead.
        fatal: whether it breaks any run, so that a fit must not start.

    Example:
        >>> print(Finding("warmup", "error", "scheduler.warmup", "longer than the run", "write e.g. 5%"))
        scheduler.warmup: longer than the run; write e.g. 5%
    """

    check: str
    severity: Literal["error", "warning", "note"]
    key: str
    problem: str
    remedy: str
    fatal: bool = field(default=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}" + (f"; {self.remedy}" if self.remedy else "")

"""The summary of a fabricated comparison."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from _support.fake_comparison import FAKES, Fake, write_comparison
from lit_optim.study.plan import read_plan
from lit_optim.study.results import read_results
from lit_optim.study.summarize import summarize
from lit_optim.study.summary import Summary


def compared(folder: Path, fakes: Iterable[Fake] = FAKES, **arguments: Any) -> Summary:
    """Write a comparison and summarize it."""
    plan = read_plan(write_comparison(folder, fakes, **arguments))
    return summarize(plan, read_results(folder, plan))

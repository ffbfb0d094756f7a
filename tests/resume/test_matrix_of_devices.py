"""A run that is resumed on another number of devices, and so with another number of steps an epoch: every preset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from _support.fork import on_two_ranks
from _support.resumed_runs import lrs_of, module, resumed, saved, spec_of
from conftest import SCHEDULERS

TWO = {"devices": 2, "strategy": "ddp"}
QUICK = ["warmup_cosine", "wsd"]


def wrong_lrs(name: str, lrs: list[float], expected: list[float], tables: list[str]) -> str:
    """Return what is wrong with the lrs of a resumed run, or an empty string."""
    if lrs != pytest.approx(expected, rel=1e-9, abs=1e-12):
        return f"{name}: {lrs} in place of {expected}"
    return "" if len(tables) == 1 else f"{name}: {len(tables)} tables"


def check_two_after_one(tmp_path: Path, names: list[str]) -> None:
    """Four epochs of 4 steps, of which two are done; then two epochs of 2 steps."""
    paths = {name: saved(tmp_path / name, spec_of(name))[8] for name in names}

    def work(rank: int) -> list[str]:
        found = []
        for name, path in paths.items():
            spec = spec_of(name)
            lrs, tables = resumed(tmp_path / "two" / name, module(spec), path, **TWO)
            found.append(wrong_lrs(name, lrs, lrs_of(spec, 8 + 2 * 2)[8:], tables if rank == 0 else [""]))
        return found

    for found in on_two_ranks(work):
        assert not [each for each in found if each]


def check_one_after_two(tmp_path: Path, names: list[str]) -> None:
    """Four epochs of 2 steps, all of which are done; then four epochs of 4 steps."""

    def work(rank: int) -> Any:
        return {name: saved(tmp_path / name, spec_of(name), **TWO)[8] for name in names}

    for name, path in on_two_ranks(work)[0].items():
        spec = spec_of(name)
        lrs, tables = resumed(tmp_path / "one" / name, module(spec), path, max_epochs=8)
        assert not wrong_lrs(name, lrs, lrs_of(spec, 8 + 4 * 4)[8:], tables)


@pytest.mark.parametrize("check", [check_two_after_one, check_one_after_two])
def test_other_devices(tmp_path, check):
    check(tmp_path, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("check", [check_two_after_one, check_one_after_two])
def test_other_devices_with_every_preset(tmp_path, check):
    check(tmp_path, SCHEDULERS)

"""A trial names the values that a class refuses."""

from __future__ import annotations

from lit_optim.config.checks.check_by_building import check_by_building
from lit_optim.errors import Problems


def test_a_trial_names_single_values_or_the_combination():
    def build(a=1, b=1):
        if a < 0:
            raise ValueError("a is negative")
        if a > 5 and b > 5:
            raise RuntimeError

    for arguments, expected in (
        ({"a": 1}, []),
        ({"a": -1, "b": 2}, ["x.a=-1: Build refused it: a is negative"]),
        ({"a": 9, "b": 9}, ["x: Build refused these values: RuntimeError"]),
    ):
        problems = Problems()
        check_by_building(build, "Build", arguments, "x", problems)
        assert problems == expected


def test_a_trial_that_always_fails_blames_no_value():
    def build(a=1):
        raise TypeError("never")

    problems = Problems()
    check_by_building(build, "Build", {"a": 2}, "x", problems)
    assert problems == ["x: Build refused these values: never"]

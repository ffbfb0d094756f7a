"""Values are coerced where nothing is lost, and refused where it would be a guess."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest

from lit_optim.config.checks.coerce import Mismatch, coerce, describe


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        ("1e-4", float, 1e-4), (1, float, 1.0), ("5", int, 5), (5.0, int, 5), ("true", bool, True), ([1, 2], tuple[float, float], (1.0, 2.0)),
        ((1, 2), tuple[int, ...], (1, 2)), (None, int | None, None), ("abc", int | str, "abc"), ([1], list[float], [1.0]), ("1", int | float | str, "1"),
    ],
)  # fmt: skip
def test_coerces_where_nothing_is_lost(value, hint, expected):
    result = coerce(value, hint)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (True, float), (True, int), (1, bool), ("yes", bool), (1.5, int), ("abc", float), ([1], tuple[float, float]), ("ab", list[str]),
        (None, float), (3, str), ({}, float), ("1.5", int), ([1, "x"], tuple[float, float]),
    ],
)  # fmt: skip
def test_refuses_what_would_be_a_guess(value, hint):
    with pytest.raises(Mismatch):
        coerce(value, hint)


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (3, Annotated[int, "steps"], 3), ("min", Literal["min", "max"], "min"), (None, float | None, None), (len, __import__("collections").abc.Callable, len),
        ({"a": 1}, dict[str, int], {"a": 1}), ("x", object, "x"), ((1, 2), list | tuple, (1, 2)), (1, "Thing", 1), ("FALSE", bool, False), ("7", int, 7),
    ],
)  # fmt: skip
def test_hints_of_every_kind(value, hint, expected):
    assert coerce(value, hint) == expected


@pytest.mark.parametrize(
    ("value", "hint", "message"),
    [
        ("mni", Literal["min", "max"], "expects 'min' | 'max'; did you mean 'min'?"),
        (3, __import__("collections").abc.Callable, "expects Callable, got int"),
        ("ab", list[str], "expects list[str], got str"),
        (3, dict[str, int], "expects dict[str, int], got int"),
        ("x", int, "expects int, got str"),
        (10**400, float, "is too large for a float"),
        ("१०", int, "expects int, got str"),
        ("१०", float, "expects float, got str"),
    ],
)
def test_what_is_expected_is_told(value, hint, message):
    with pytest.raises(Mismatch) as caught:
        coerce(value, hint)
    assert str(caught.value) == message


def test_describe():
    assert describe(tuple[int, ...]) == "tuple[int, ...]"
    assert describe(Annotated[int, 1]) == "int"
    assert describe(__import__("collections").abc.Callable[[int], float]) == "Callable[...]"

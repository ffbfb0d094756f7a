"""Signatures as the world writes them: without hints, with hints that only a type checker reads, with **kwargs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest

from lit_optim.config.checks.check_by_building import check_by_building
from lit_optim.config.checks.coerce import Mismatch, coerce, describe
from lit_optim.config.checks.keyword_arguments import check_call
from lit_optim.errors import Problems

if TYPE_CHECKING:
    from nowhere import Thing


class Bare:
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), steps=3, nesterov=False, mode="min", other=None, pair=()):
        self.lr = lr


class Hidden:
    def __init__(self, thing: Thing = None, rate: Thing = 0.5, size: int = 1):
        self.thing = thing


class TakesAnyKeyword:
    def __init__(self, params, lr: float = 1.0, **kwargs: Any):
        self.kwargs = kwargs


def checked(cls, supplied=0, **arguments):
    problems = Problems()
    return check_call(cls, arguments, "x", problems, supplied=supplied, finite=True), problems


def test_without_hints_the_defaults_give_the_types():
    clean, problems = checked(Bare, 1, lr="1e-2", betas=[0.8, "0.9"], steps=2.5, nesterov="true", other={}, pair=[1])
    assert clean == {"lr": 1e-2, "betas": (0.8, 0.9), "steps": 2.5, "nesterov": True, "other": {}, "pair": [1]}
    assert not problems
    _, problems = checked(Bare, 1, lr="abc", betas=[0.8], nesterov=1, mode=3)
    assert [problem.partition("=")[0] for problem in problems] == ["x.lr", "x.betas", "x.nesterov", "x.mode"]


def test_hints_that_cannot_be_read_are_inferred_from_the_default():
    clean, problems = checked(Hidden, thing=object, rate="0.25", size="3")
    assert clean == {"thing": object, "rate": 0.25, "size": 3}
    assert not problems
    assert checked(Hidden, rate=True)[1] == ["x.rate=True: Hidden expects float, got bool"]


def test_any_keyword_where_the_class_takes_any():
    assert checked(TakesAnyKeyword, 1, lr=2, whatever="x")[0] == {"lr": 2.0, "whatever": "x"}


def test_missing_and_supplied_arguments():
    def needs(total_steps, *, step_size: int): ...

    assert checked(needs, 1)[1] == ["x.step_size: needs needs a value for it"]
    assert checked(needs, 1, step_size=1, total_steps=3)[1] == [
        "x.total_steps=3: needs is given 'total_steps' at run time; remove it"
    ]


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
def test_the_error_says_what_is_expected(value, hint, message):
    with pytest.raises(Mismatch) as caught:
        coerce(value, hint)
    assert str(caught.value) == message


def test_describe():
    assert describe(tuple[int, ...]) == "tuple[int, ...]"
    assert describe(Annotated[int, 1]) == "int"
    assert describe(__import__("collections").abc.Callable[[int], float]) == "Callable[...]"

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_optim import ConfigError
from lit_optim.duration import Duration, RunLength, parse

RUN = RunLength(total_steps=1000, steps_per_epoch=30)
GOOD = [
    (500, 500), (1, 1), (0, 0), (0.0, 0), (1e3, 1000), (2.0, 2), ("500", 500), ("1_000", 1000), ("1e3", 1000), ("1", 1),
    ("100steps", 100), ("7 steps", 7), (0.05, 50), (0.5, 500), ("0.05", 50), ("5%", 50), ("2.5 %", 25), ("100%", 1000),
    ("0%", 0), ("2ep", 60), ("2 epochs", 60), ("1 epoch", 30), ("1.5ep", 45), ("2EP", 60), ("0.5ep", 15), (" 5% ", 50),
    (0.0005, 0), (0.0015, 2), ("0ep", 0), (".1", 100),
]  # fmt: skip
BAD = [
    (1.0, "ambiguous"), ("1.0", "ambiguous"), ("1e0", "ambiguous"), (1.5, "neither a share below 1 nor a whole number"),
    ("1.5", "neither"), (-3, "negative"), ("-5%", "negative"), (-0.5, "negative"), ("150%", "at most 100%"),
    ("101 %", "at most 100%"), ("abc", "not a duration"), (True, "not a duration"), (False, "not a duration"),
    (None, "not a duration"), (float("nan"), "not a duration"), (float("inf"), "not a duration"), ("", "not a duration"),
    ("5 parsecs", "not a duration"), ("5%%", "not a duration"), ([], "not a duration"), ({}, "not a duration"),
    ("1e999999999", "not a duration"), ("5 steps 3", "not a duration"), ("\u0665", "not a duration"), ("2.5 steps", "neither"),
    ("0.5 steps", "neither"), (10**19, "longer than any run"), (10**400, "longer than any run"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "steps"), GOOD)
def test_reads_what_people_write(value, steps):
    assert parse(value).steps(RUN) == steps


@pytest.mark.parametrize(("value", "reason"), BAD)
def test_refuses_and_names_key_and_value(value, reason):
    with pytest.raises(ConfigError, match=reason) as caught:
        parse(value, "scheduler.warmup")
    assert str(caught.value).startswith(f"scheduler.warmup={value!r}"[:100])


def test_the_message_of_the_contract():
    with pytest.raises(ConfigError) as caught:
        parse(1.5, "scheduler.warmup")
    expected = (
        "scheduler.warmup=1.5: neither a share below 1 nor a whole number of steps; write e.g. 1500, 0.05, 5% or 2ep"
    )
    assert str(caught.value) == expected


def test_shares_and_epochs_need_a_run_length():
    with pytest.raises(ConfigError, match=r"scheduler: total_steps is unknown"):
        parse("5%").steps(RunLength(), "scheduler")
    with pytest.raises(ConfigError, match="length of an epoch is unknown"):
        parse("2ep").steps(RunLength(100), "scheduler.warmup")
    assert parse(7).steps(RunLength()) == 7


@given(st.integers(0, 10**9))
def test_whole_numbers_are_steps_in_every_spelling(n):
    expected = Duration(Fraction(n), "steps")
    assert parse(n) == parse(str(n)) == parse(f"{n} steps") == expected


@given(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.booleans(), st.binary()))
def test_anything_is_read_or_rejected(value):
    message = "duration="
    try:
        amount = parse(value).amount
    except ConfigError as error:
        amount, message = 0, str(error)
    assert amount >= 0
    assert "duration=" in message

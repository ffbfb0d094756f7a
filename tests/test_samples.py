"""What `--every` and `--fast` leave out."""

from collections import Counter
from itertools import pairwise
from types import ModuleType, SimpleNamespace

import pytest

from _support import fork, net
from _support.samples import every_nth, is_quick, of_test

LONG, FOUR, LONE = ["long"] * 30, ["four"] * 4, ["lone"]


def kept(tests, every, seed="2.13"):
    return [test for test, keep in zip(tests, every_nth(tests, every, seed), strict=True) if keep]


def test_every_keeps_a_share_of_each_test_and_at_least_one_case():
    counts = [Counter(kept(LONG + FOUR + LONE, 4, seed)) for seed in range(20)]
    assert all(count in ({"long": 7, "four": 1, "lone": 1}, {"long": 8, "four": 1, "lone": 1}) for count in counts)
    assert kept(FOUR + LONE, 100) == ["four", "lone"]


def test_every_one_keeps_all():
    assert kept(LONG + FOUR + LONE, 1) == LONG + FOUR + LONE


def test_the_places_kept_are_four_apart_even_where_other_tests_lie_between():
    mixed = [test for pair in zip(LONG, ["other"] * 30, strict=True) for test in pair]
    places = [i // 2 for i, keep in enumerate(every_nth(mixed, 4, "2.13")) if keep and mixed[i] == "long"]
    assert {later - earlier for earlier, later in pairwise(places)} == {4}


def test_with_enough_versions_each_case_is_kept_by_one():
    by_version = [[*every_nth(LONG, 4, f"2.{minor}")] for minor in range(40)]
    assert all(map(any, zip(*by_version, strict=True)))


def item(nodeid, slow=False, **imported):
    module = ModuleType("test_it")
    vars(module).update(imported)
    return SimpleNamespace(nodeid=nodeid, module=module, get_closest_marker=lambda name: slow and name == "slow")


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([item(f"a.py::test[{i}]") for i in range(5)], [True, True, True, False, False]),
        ([item("a.py::test[0]", net=net), item("a.py::test[1]", net=net)], [True, False]),
        ([item("a.py::test", fork=fork)], [False]),
        ([item("a.py::test", slow=True)], [False]),
        ([SimpleNamespace(nodeid="doctest", get_closest_marker=lambda name: None)], [True]),
    ],
)
def test_fast_keeps_the_first_quick_cases(items, expected):
    assert [*is_quick(items)] == expected


def test_cases_of_one_test_have_one_name():
    assert of_test(item("a.py::test[x[0]-y]")) == of_test(item("a.py::test[2]")) == "a.py::test"

"""Which cases `--fast` and `--every` keep."""

from __future__ import annotations

from collections import Counter
from functools import cache
from types import FunctionType, ModuleType
from zlib import crc32

# what is no sample: apps, packages, the capability table, checkpoints of old versions
NOT_IN_SAMPLE = {"adoption", "examples", "old_checkpoints", "packaging", "tools"}
STARTS_PROCESSES = {"subprocess", "_support.app_process", "_support.child_process", "_support.fork"}


def of_test(item):
    """The test that an item is a case of."""
    return item.nodeid.partition("[")[0]


def every_nth(tests, every, seed):
    """Tells for the test of each case whether to keep the case.

    Args:
        tests: the test of each case.
        every: one in that many cases of a test is kept, and at least one.
        seed: with the test it tells which case is the first.
    """
    cases, seen = Counter(tests), Counter()
    for test in tests:
        first = crc32(f"{test} {seed}".encode()) % min(every, cases[test])
        yield seen[test] % every == first
        seen[test] += 1


def is_quick(items):
    """Tells for each item whether it is quick, and one of the first cases of its test."""
    cases = Counter()
    for item in items:
        cases[of_test(item)] += 1
        homes = _homes_of_imports(item.module) if hasattr(item, "module") else set()
        too_many = cases[of_test(item)] > (1 if "_support.net" in homes else 3)
        yield not (too_many or homes & STARTS_PROCESSES or item.get_closest_marker("slow"))


@cache
def _homes_of_imports(module):
    """The modules that a test file imports, or imports functions from."""
    imported = (value for value in vars(module).values() if isinstance(value, (FunctionType, ModuleType)))
    return {value.__name__ if isinstance(value, ModuleType) else value.__module__ for value in imported}

"""Fixtures of all tests: presets are listed from the files, never typed by hand."""

from __future__ import annotations

import os
from collections import Counter
from functools import cache
from itertools import compress
from pathlib import Path
from types import FunctionType, ModuleType
from zlib import crc32

import pytest
import torch
from hypothesis import settings

from _support.clean_tree import CleanTree
from lit_optim.config.read import presets
from lit_optim.versions import missing_version

# the first example of a process pays for imports; the same examples on every run, so that a red one can be repeated
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

CONF = Path(__file__).resolve().parents[1] / "conf"


def preset_names(group: str) -> list[str]:
    """The presets of a group, straight from the files."""
    return sorted(str(file.relative_to(CONF / group).with_suffix("")) for file in (CONF / group).rglob("*.yaml"))


def _says(name: str, text: str) -> bool:
    return text in (CONF / "optimizer" / f"{name}.yaml").read_text(encoding="utf-8")


UNTESTED = [name for name in preset_names("optimizer") if _says(name, "\n# untested: ")]
# what the installed versions lack; tests/test_versions.py has what is said of these
LACKING = [n for n in preset_names("optimizer") if any(map(missing_version, presets.preset_needs("optimizer", n)))]
TESTED = [name for name in preset_names("optimizer") if name not in UNTESTED and not _says(name, "_target_: ???")]
OPTIMIZERS = [name for name in TESTED if name not in LACKING]
SCHEDULERS = preset_names("scheduler")
# for tests that step: `make test` needs no compiler, and does not wait for one
STEPPED = [
    pytest.param(name, marks=pytest.mark.slow) if _says(name, "\ncompile: true") else name for name in OPTIMIZERS
]


THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))  # more only on demand: the workers share the cores


# what is no sample: apps, packages, the capability table, checkpoints of old versions
NOT_IN_SAMPLE = {"adoption", "examples", "old_checkpoints", "packaging", "tools"}
STARTS_PROCESSES = {"subprocess", "_support.app_process", "_support.child_process", "_support.fork"}


def pytest_addoption(parser):
    parser.addoption(
        "--fast",
        action="store_true",
        help="a sample, `make test-fast`: three cases a test, one in files that fit modules; ten examples of Hypothesis where "
        "a test sets no number; no apps, no file that starts processes, nothing slow",
    )
    parser.addoption(
        "--every",
        type=int,
        default=1,
        metavar="N",
        help="of a test with more than N cases every N-th; the first of them differs by test and by version of torch",
    )


def pytest_configure(config):
    config.pluginmanager.register(CleanTree())
    if config.getoption("fast"):
        settings.register_profile("fast", settings.get_profile("repeatable"), max_examples=10)
        settings.load_profile("fast")


def pytest_ignore_collect(collection_path, config):
    if config.getoption("fast") and collection_path.parent == Path(__file__).parent:
        return collection_path.name in NOT_IN_SAMPLE or None
    return None


@cache
def _homes_of_imports(module):
    """The modules that a test file imports, or imports functions from."""
    imported = (value for value in vars(module).values() if isinstance(value, (FunctionType, ModuleType)))
    return {value.__name__ if isinstance(value, ModuleType) else value.__module__ for value in imported}


def _is_every_nth(items, every):
    """Returns for each item whether it is one of the cases to keep."""
    tests = [item.nodeid.partition("[")[0] for item in items]
    cases, seen = Counter(tests), Counter()
    for test in tests:
        first = crc32(f"{test} {torch.__version__}".encode()) % every
        yield cases[test] <= every or seen[test] % every == first
        seen[test] += 1


def _is_in_fast_sample(items):
    """Returns for each item whether it is quick, and one of the first cases of its test."""
    cases = Counter()
    for item in items:
        test = item.nodeid.partition("[")[0]
        cases[test] += 1
        homes = _homes_of_imports(item.module) if hasattr(item, "module") else set()
        too_many = cases[test] > (1 if "_support.net" in homes else 3)
        yield not (too_many or homes & STARTS_PROCESSES or item.get_closest_marker("slow"))


def pytest_collection_modifyitems(config, items):
    chosen = [*_is_every_nth(items, config.getoption("every"))]
    if config.getoption("fast"):
        chosen = [nth and quick for nth, quick in zip(chosen, _is_in_fast_sample(items), strict=True)]
    config.hook.pytest_deselected(items=[item for item, kept in zip(items, chosen, strict=True) if not kept])
    items[:] = compress(items, chosen)


@pytest.fixture(autouse=True)
def _same_random_numbers():
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)

"""Fixtures of all tests: presets are listed from the files, never typed by hand."""

from __future__ import annotations

import os
from itertools import compress
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from _support.clean_tree import CleanTree
from _support.samples import NOT_IN_SAMPLE, every_nth, is_quick, of_test
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
        help="every N-th case of a test, and at least one; the first of them differs by test and by version of torch",
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


# trylast: after the marks, so that no slow case takes the place of a quick one
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    chosen = [*every_nth([of_test(item) for item in items], config.getoption("every"), torch.__version__)]
    if config.getoption("fast"):
        chosen = [nth and quick for nth, quick in zip(chosen, is_quick(items), strict=True)]
    config.hook.pytest_deselected(items=[item for item, kept in zip(items, chosen, strict=True) if not kept])
    items[:] = compress(items, chosen)


@pytest.fixture(autouse=True)
def _same_random_numbers():
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)

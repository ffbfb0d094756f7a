"""Tests write into folders of their own, never into the repository."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _entries() -> set[str]:
    """The names in the root of the repository, except for hidden ones: caches of tools, data of coverage."""
    return {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - {"__pycache__"}


class CleanTree:
    """Pytest plugin that fails a test, a doctest too, after which the root has a new entry.

    The first worker process to see an entry is not always the one whose test wrote it: run with ``-n 0`` to be sure.
    """

    def __init__(self) -> None:
        self._known = _entries()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, None, None]:
        yield
        new = _entries() - self._known
        self._known |= new
        if new:
            pytest.fail(f"{', '.join(sorted(new))}: new in {ROOT}; a test must write below its tmp_path", pytrace=False)

"""Calls that make the host wait for a GPU."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import torch


def _set(mode: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the mode does not see all of them yet
        torch.cuda.set_sync_debug_mode(mode)


@contextlib.contextmanager
def no_waiting() -> Iterator[None]:
    """Within it they raise RuntimeError."""
    torch.cuda.synchronize()
    _set("error")
    try:
        yield
    finally:
        _set("default")

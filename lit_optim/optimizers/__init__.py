"""Optimizers, one a file: the rule on top, reading as the paper; below it a thin class. The driver has the only step().

Every class is a name of this package: ``lit_optim.optimizers.AdaBoundW`` is in ``adabound_w.py``.
"""

from __future__ import annotations

from typing import Any

from lit_optim.imports import class_in_package
from lit_optim.optimizers.implementation import fastest, keep_exact

__all__ = ["fastest", "keep_exact"]


def __getattr__(name: str) -> Any:
    return class_in_package(__name__, __path__, name)

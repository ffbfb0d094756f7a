"""One-pass versions of torch's optimizers that have no fused kernel on a CPU; state dicts fit torch's own classes."""

from __future__ import annotations

from typing import Any

from lit_optim.imports import class_in_package


def __getattr__(name: str) -> Any:
    return class_in_package(__name__, __path__, name)

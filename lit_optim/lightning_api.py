"""What depends on the version of Lightning: the only place that asks whether something is there."""

from __future__ import annotations

from lightning.pytorch import Callback, callbacks


def is_weight_averaging(callback: Callback) -> bool:
    """Whether a callback is one of Lightning's ``WeightAveraging``, which came with Lightning 2.6."""
    cls = getattr(callbacks, "WeightAveraging", None)
    return cls is not None and isinstance(callback, cls)

"""Yes, no, or wrong: an optimizer that raises is honest, one that computes something else is not."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

YES, NO, WRONG = "yes", "no", "wrong"


def verdict(attempt: Callable[[], Tensor], reference: Callable[[], Tensor], tolerance: float) -> str:
    """Whether ``attempt`` ends where ``reference`` does, up to a share of the longest way of any element."""
    try:
        found = attempt()
    except Exception:
        return NO
    expected = reference()
    found = torch.view_as_real(found).flatten() if found.is_complex() else found
    farthest = expected.abs().max().item()
    return YES if (found - expected).abs().max().item() <= tolerance * farthest else WRONG

"""Say which parameters are matrices that are worth to be orthogonalized, without an import of the optimizer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

SHORTEST, LONGEST = 4, 128  # of the shorter side, and of the ratio of the sides


def flat_shape(shape: Sequence[int]) -> tuple[int, int]:
    """Return the rows and columns of a parameter as a matrix: a convolution's are (out, rest).

    Example:
        >>> flat_shape((64, 3, 7, 7)), flat_shape((8,))
        ((64, 147), (8, 1))
    """
    return (shape[0] if shape else 1), math.prod(shape[1:])


def is_odd_shape(rows: int, columns: int) -> bool:
    """Return whether a matrix is empty or nearly a vector, so that orthogonalizing it makes no sense.

    Example:
        >>> is_odd_shape(4, 512), is_odd_shape(3, 512), is_odd_shape(4, 513)
        (False, True, True)
    """
    shorter, longer = sorted((rows, columns))
    return shorter < SHORTEST or longer > LONGEST * shorter


def takes_matrices_only(optimizer: Any) -> bool:
    """Return whether an optimizer or its class is our Muon, which is not imported here: torch's has the same name."""
    return getattr(optimizer, "matrices_only", False) is True

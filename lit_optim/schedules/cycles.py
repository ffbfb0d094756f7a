"""Edges of cycles in whole optimizer steps, by integer arithmetic: logarithms of floats miss some edges."""

from __future__ import annotations

from lit_optim.duration import MOST
from lit_optim.errors import ConfigError, wrong
from lit_optim.schedules.checks import at_least


def half_cycles(up: int, down: int, base_factor: float, max_factor: float, offset: int) -> tuple[int, int]:
    """Return the steps up and the steps down of a triangle, and check its arguments.

    Example:
        >>> half_cycles(3, 0, 0.25, 1.0, 0)
        (3, 3)
    """
    at_least(1, step_size_up=up)
    at_least(0, step_size_down=down, offset=offset)
    at_least(0.0, base_factor=base_factor)
    at_least(base_factor, max_factor=max_factor)
    return up, down or up


def edges_of_periods(period: int, mult: int) -> list[int]:
    """Return where the cycles begin, each ``mult`` (at least 2) times as long as the one before, beyond any run.

    Example:
        >>> edges_of_periods(10, 2)[:4]
        [0, 10, 30, 70]
    """
    edges = [0]
    while edges[-1] <= MOST:
        edges.append(edges[-1] + period)
        period *= mult
    return edges


def edges_of_parts(total_steps: int, cycles: int, mult: int) -> list[int]:
    """Return where the cycles begin that fill ``total_steps``, and that number; rounded cumulatively, half up.

    Example:
        >>> edges_of_parts(100, 3, 2), edges_of_parts(10, 4, 1)
        ([0, 14, 43, 100], [0, 3, 5, 8, 10])
    """
    if cycles > 10_000 or mult**cycles > MOST:
        raise ConfigError(
            wrong("cycles", cycles, f"so many, each {mult} times as long as the one before, fit into no run")
        )
    done = [i if mult == 1 else (mult**i - 1) // (mult - 1) for i in range(cycles + 1)]
    return [(2 * total_steps * part + done[-1]) // (2 * done[-1]) for part in done]

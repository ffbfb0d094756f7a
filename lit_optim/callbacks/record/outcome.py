"""Decide how a run has ended, and whether it has diverged."""

from __future__ import annotations

import math

from lit_optim.errors import NonFiniteError


def reason_of_divergence(loss: float, first: float, above: float) -> str:
    """Return why a loss counts as diverged; empty where it does not.

    Example:
        >>> reason_of_divergence(50.0, 2.0, above=10), reason_of_divergence(3.0, 2.0, above=10)
        ('the loss is 50, more than 10 times the first one, 2', '')
    """
    if not math.isfinite(loss):
        return f"the loss is {loss}"
    above_all = 0 < above * first < loss
    return f"the loss is {loss:.4g}, more than {above:g} times the first one, {first:.4g}" if above_all else ""


def outcome_of(exception: BaseException) -> tuple[str, str]:
    """Return the outcome of a run that an exception has ended, and the first line of its message.

    Example:
        >>> outcome_of(RuntimeError("out of luck")), outcome_of(KeyboardInterrupt())
        (('crashed', 'RuntimeError: out of luck'), ('interrupted', 'KeyboardInterrupt'))
    """
    stopped = isinstance(exception, (KeyboardInterrupt, SystemExit))
    outcome = "interrupted" if stopped else "diverged" if isinstance(exception, NonFiniteError) else "crashed"
    name, line = type(exception).__name__, str(exception).strip().partition("\n")[0]
    return outcome, f"{name}: {line:.300}" if line else name

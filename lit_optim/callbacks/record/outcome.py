"""Decide how a run has ended, and whether it has diverged."""

from __future__ import annotations

import math

from lit_optim.errors import NonFiniteError


def reason_of_divergence(loss: float, first: float, above: float) -> str:
    """Return why a loss counts as diverged; empty where it does not.

    A loss that begins near 0 may grow by design, as one with sparse rewards does: a first one below 1 counts as 1.

    Args:
        loss: to judge.
        first: loss of the run; its size counts, not its sign.
        above: multiple of it that a sound loss does not exceed; with infinity, every finite loss is sound.

    Example:
        >>> reason_of_divergence(50.0, 2.0, above=10), reason_of_divergence(3.0, 2.0, above=10)
        ('the loss is 50, more than 10 times the first one, 2', '')
        >>> reason_of_divergence(11.0, 1e-7, above=10), reason_of_divergence(9.0, 1e-7, above=10)
        ('the loss is 11, more than 10 (a first loss below 1 counts as 1)', '')
    """
    if not math.isfinite(loss):
        return f"the loss is {loss}"
    if not loss > above * max(abs(first), 1.0):  # also where the first one is NaN
        return ""
    of = f"times the {'size of the ' * (first < 0)}first one, {first:.4g}"
    of = of if abs(first) >= 1 else "(a first loss below 1 counts as 1)"
    return f"the loss is {loss:.4g}, more than {above:g} {of}"


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

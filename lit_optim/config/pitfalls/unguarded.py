"""Finds a run that is likely to meet numbers which are not finite, without the finite guard."""

from __future__ import annotations

import math
from typing import Any

from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.read.plain_containers import all_strings
from lit_optim.config.read.spec import Spec

CHECK = "unguarded"
HALF = ("16-true", "transformer-engine-float16")  # no gradient scaler
MOST = 100.0  # lr; a tenth of it is the largest that recipes of SGD and LARS have
REMEDY = "write optim_callbacks=finite, which leaves such steps out, goes back or stops"


def unguarded(optimizer: Spec, *, precision: Any = None, guarded: bool = False) -> list[Finding]:
    """Find weights in float16, and an lr beyond all recipes, where nothing watches for inf and NaN.

    Args:
        optimizer: its spec.
        precision: the Trainer's.
        guarded: whether there is a `lit_optim.callbacks.FiniteGuard`.

    Example:
        >>> print(*unguarded(Spec("torch.optim.Adam", {"lr": 1e-3}), precision="16-true"))
        trainer.precision=16-true: float16 ends at 65504, and its smallest numbers round to 0, so that updates become \
inf or nan in silence; write optim_callbacks=finite, which leaves such steps out, goes back or stops
    """
    if guarded:
        return []
    found: list[Finding] = []
    if precision in HALF:
        problem = (
            "float16 ends at 65504, and its smallest numbers round to 0, so that updates become inf or nan in silence"
        )
        found.append(Finding(CHECK, "warning", f"trainer.precision={precision}", problem, REMEDY))
    lr = optimizer.arguments.get("lr")
    if isinstance(lr, (int, float)) and math.isfinite(lr) and lr > MOST:
        problem = f"larger than {MOST:g}, with which weights soon become inf or nan in silence"
        found.append(
            Finding(CHECK, "warning", f"{optimizer.key or 'optimizer'}.lr={lr:g}", problem, f"lower it, or {REMEDY}")
        )
    return found


def names_guard(*specs: Any) -> bool:
    """Return whether specs of callbacks name the guard, by its preset or by its class.

    Example:
        >>> names_guard(["ema", "finite"], None), names_guard({"ema": {"decay": 0.9}})
        (True, False)
    """
    words = {word.rpartition(".")[2] for spec in specs for word in all_strings(spec)}
    return bool(words & {"finite", "FiniteGuard"})

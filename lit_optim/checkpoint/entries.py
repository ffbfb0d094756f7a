"""Reject a checkpoint whose entries are not those that Lightning writes, before any of them is used."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from lit_optim.errors import ConfigError

MOST = 10**10  # counted by a run
REMEDY = "choose another checkpoint"
FROM_WEIGHTS = "begin a new run from its weights (load_from_checkpoint) instead of ckpt_path"
POSITION = ("epoch_progress", "epoch_loop.batch_progress", "epoch_loop.automatic_optimization.optim_progress")


def check_entries(checkpoint: Mapping[str, Any], fit_loop: Mapping[str, Any]) -> None:
    """Reject a checkpoint that lacks an entry which a resumed run is built from, or has one of another type.

    Args:
        checkpoint: as Lightning has loaded it.
        fit_loop: the state of the Trainer's fit loop, whose keys and types those of the checkpoint should have.

    Raises:
        ConfigError: with all that is wrong.

    Example:
        >>> check_entries({"state_dict": {}, "optimizer_states": [], "loops": {}}, {})
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: ckpt_path: its 'loops' have no 'fit_loop', so that its steps are unknown; ...
    """
    problems = [f"ckpt_path: {problem}" for problem in _problems(checkpoint, fit_loop)]
    if problems:
        raise ConfigError(*problems)


def _problems(checkpoint: Mapping[str, Any], fit_loop: Mapping[str, Any]) -> Iterator[str]:
    if "optimizer_states" not in checkpoint:
        yield f"it holds weights only, without the state of an optimizer; {FROM_WEIGHTS}"
        return
    for key, kind in (("state_dict", Mapping), ("optimizer_states", list), ("loops", Mapping)):
        if not isinstance(entry := checkpoint.get(key), kind):
            yield f"its {key!r} is {_kind(entry)}, and should be a {kind.__name__.lower()}; {REMEDY}"
    if not isinstance(checkpoint.get("callbacks", {}), Mapping):
        yield f"its 'callbacks' are {_kind(checkpoint['callbacks'])}, and should be a mapping; {REMEDY}"
    schedulers = checkpoint.get("lr_schedulers")
    for i, state in enumerate(schedulers if isinstance(schedulers, list) else ()):
        yield from (f"its lr_schedulers[{i}].{problem}; {REMEDY}" for problem in _of_scheduler(state))
    if isinstance(loops := checkpoint.get("loops"), Mapping):
        yield from (f"{problem}; {REMEDY}" for problem in _of_loops(loops.get("fit_loop"), fit_loop))


def _of_scheduler(state: Any) -> Iterator[str]:
    """Yield what is wrong with the numbers of a scheduler; without a state, its place follows from the steps done."""
    for key, value in state.items() if isinstance(state, Mapping) else ():
        if key == "last_epoch" and not _is_count(value):
            yield f"{key}={value!r}: must be a whole number between 0 and {MOST:g}"
        elif isinstance(value, float) and math.isnan(value):
            yield f"{key}={value!r}: must be a number"
        else:
            yield from (f"{key}.{problem}" for problem in _of_scheduler(value))


def _of_loops(saved: Any, live: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the state of a fit loop."""
    if not isinstance(saved, Mapping) or not saved:
        yield "its 'loops' have no 'fit_loop', so that its steps are unknown"
        return
    for key, expected in live.items():
        if key not in saved and key in POSITION:
            yield f"its 'loops' lack {key!r}, so that its steps are unknown"
        elif key in saved and not _fits(saved[key], {} if key.endswith("state_dict") else expected):
            yield f"its loops.fit_loop[{key!r}] holds what Lightning does not write there"


def _fits(saved: Any, expected: Any) -> bool:
    """Return whether an entry has the type of the live one, and counters are counts.

    Example:
        >>> _fits({"ready": 3}, {"ready": 0}), _fits({"ready": -3}, {"ready": 0}), _fits({"ready": None}, {"ready": 0})
        (True, False, False)
    """
    if isinstance(expected, Mapping):
        return isinstance(saved, Mapping) and all(_fits(saved[k], v) for k, v in expected.items() if k in saved)
    if isinstance(expected, bool):
        return isinstance(saved, bool)
    return _is_count(saved) if isinstance(expected, int) else True


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


def _kind(value: Any) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"

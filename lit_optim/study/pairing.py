"""Tell whether runs of one seed are paired: the same first weights, the same order of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

WHAT = {"parameters": "initial weights", "batch": "first training batch"}
REMEDY = {
    "parameters": "seed the app before it builds the model: lightning.seed_everything(cfg.seed)",
    "batch": "seed the order of the data: lightning.seed_everything(cfg.seed, workers=True) before the model and the "
    "data are built",
}


def why_not_paired(runs: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> list[str]:
    """Return why runs of one seed cannot be compared in pairs; nothing where they can, or where a record does not say.

    Args:
        runs: by contender and seed, each the contents of its ``run.json``.

    Example:
        >>> same, other = {"start": {"parameters": 1, "batch": 5}}, {"start": {"parameters": 2, "batch": 5}}
        >>> why_not_paired({"adam": {3: same}, "sgd": {3: other}})
        ['seed 3: the initial weights of adam and sgd differ; seed the app before it builds the model:
          lightning.seed_everything(cfg.seed)']
        >>> why_not_paired({"adam": {3: same, 4: other}, "sgd": {3: same, 4: {}}})
        []
    """
    found = []
    for seed in sorted({seed for by_seed in runs.values() for seed in by_seed}):
        starts = {name: by_seed[seed].get("start") or {} for name, by_seed in runs.items() if seed in by_seed}
        for key, what in WHAT.items():
            values = {name: start[key] for name, start in starts.items() if start.get(key) is not None}
            differ = [name for name, value in values.items() if value != next(iter(values.values()))]
            if differ:
                found.append(
                    f"seed {seed}: the {what} of {all_of([next(iter(values)), *differ])} differ; {REMEDY[key]}"
                )
                break  # other weights have often drawn other batches
    return found


def all_of(names: Sequence[str]) -> str:
    """Join names, of which there is one at least.

    Example:
        >>> all_of(["adam", "lion", "sgd"]), all_of(["adam"])
        ('adam, lion and sgd', 'adam')
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))

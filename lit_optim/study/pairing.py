"""Tell whether runs of one seed are paired, by first weights and order of data, and those of other seeds differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lit_optim.study.results import RunResult

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


def repeated_seeds(runs: Mapping[int, RunResult]) -> dict[int, int]:
    """Return the seeds with which an app has trained the run of an earlier seed once more, each with that seed.

    Runs are the same if they began with the same weights and the same batch, and the app has set one seed for both or
    they have logged the same values. Weights alone do not tell: fine-tuning begins with the same ones on purpose. Nor
    does the start: dropout may differ after it.

    Args:
        runs: final runs of one optimizer, by the seed that each was to have.
    """
    found: dict[int, int] = {}
    for seed, run in runs.items():
        first = next((s for s in runs if s == seed or (s not in found and _is_same_run(runs[s], run))), seed)
        if first != seed:
            found[seed] = first
    return found


def _is_same_run(one: RunResult, other: RunResult) -> bool:
    (seed, start, values), (other_seed, other_start, other_values) = map(_facts, (one, other))
    same_seed, same_values = seed == other_seed, values == other_values
    return start == other_start and ((seed is not None and same_seed) or (None not in start and same_values))


def _facts(each: RunResult) -> tuple[int | None, list[int | None], list[tuple[int, str, float]]]:
    run, rows = (each.record.run, each.record.metrics) if each.record else ({}, ())
    start = run.get("start") or {}
    return run.get("seed"), [start.get(key) for key in WHAT], [(row.step, row.name, row.value) for row in rows]


def all_of(names: Sequence[str]) -> str:
    """Join names, of which there is one at least.

    Example:
        >>> all_of(["adam", "lion", "sgd"]), all_of(["adam"])
        ('adam, lion and sgd', 'adam')
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))

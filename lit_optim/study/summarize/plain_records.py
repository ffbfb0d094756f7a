"""Makes a plan of recorded runs that belong to no declared comparison."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from lit_optim.errors import ConfigError
from lit_optim.study.plan import ComparisonPlan, Contender, Job
from lit_optim.study.record_files import RunRecord
from lit_optim.study.results import OVER, RunResult

RECORDS = "records"  # the tier of a plan that was never declared
OF_SPEC = re.compile(r"~?(?:.*[.@/])?(?:optimizer|scheduler|param_groups|optim_callbacks)(?:[.@].*)?")
OF_OUTPUT = re.compile(r"(?:.*\.)?(?:(?:out|output|save|log|run|default_root)_?(?:dir|folder|path)|dirpath|run_name)")
MOST_LETTERS = 80  # of the overrides in a label


def plan_of_records(
    records: Sequence[RunRecord], metric: str = "", mode: str = ""
) -> tuple[ComparisonPlan, list[RunResult], list[str]]:
    """Return a plan, its runs, and warnings: a contender for each optimizer with its settings, and a run for each seed.

    Args:
        records: of runs.
        metric: to compare by; '': the one that was logged, where there is one only.
        mode: ``min`` or ``max``.

    Raises:
        ConfigError: for a metric that no run logged, and where no run is over.
    """
    over = [record for record in records if record.run.get("outcome") in OVER]
    if not over:
        raise ConfigError(f"{len(records)} runs are recorded, and none is over; wait for one to end")
    metric = _metric(over, metric, mode)
    labels = labels_of([record.run for record in over])
    found: dict[tuple[str, int], RunRecord] = {}
    warnings = [
        f"{record.folder.as_posix()}: left out: {record.run.get('outcome')}" for record in records
        if record.run.get("outcome") not in OVER
    ]  # fmt: skip
    for label, record in zip(labels, over, strict=True):
        place = label, record.run.get("seed", 0)
        if place in found:
            one, other = found[place].folder.as_posix(), record.folder.as_posix()
            warnings.append(f"{label}: {one} and {other} have the same seed, {place[1]}; the second counts")
        found[place] = record
    results = [_result(label, seed, record, metric) for (label, seed), record in sorted(found.items(), key=_by_label)]
    names = list(dict.fromkeys(each.job.contender for each in results))
    numbered = [
        each._replace(job=Job(name, "seed", number, each.job.seed, {}, each.job.overrides))
        for name in names
        for number, each in enumerate(each for each in results if each.job.contender == name)
    ]
    baseline = next((name for name in names if name.lower().startswith("adamw")), names[0])
    contenders = tuple(Contender(name, (), "") for name in names)
    plan = ComparisonPlan("", (), contenders, metric, mode, tier=RECORDS, search="", budget=0, baseline=baseline)
    return plan, numbered, warnings


def _by_label(item: tuple[tuple[str, int], RunRecord]) -> tuple[str, int]:
    return item[0]


def _result(label: str, seed: int, record: RunRecord, metric: str) -> RunResult:
    values = [row.value for row in record.metrics if row.name == metric]
    words = tuple(record.run.get("hydra", {}).get("overrides", ()))
    job = Job(label, "seed", 0, seed, {}, words)
    error = record.run.get("error", "")
    score = values[-1] if values else math.nan
    return RunResult(job, record.run["outcome"], score, record, error, record.folder.as_posix())


def _metric(records: Sequence[RunRecord], metric: str, mode: str) -> str:
    logged = sorted({row.name for record in records for row in record.metrics})
    there = f"logged are: {', '.join(logged)}" if logged else "no metric was logged; validate, and self.log a metric"
    name = metric or (logged[0] if len(logged) == 1 else "")
    if name not in logged:
        what = f"--metric {metric}: no run has logged it" if metric else "--metric: missing"
        raise ConfigError(f"{what}; {there}" + ("; write e.g. " + _example(logged[0]) if logged else ""))
    if mode not in ("min", "max"):
        raise ConfigError(f"--mode: missing for {name}; write {_example(name)}")
    return name


def _example(name: str) -> str:
    return f"--metric {name} --mode min, or max where higher is better"


def labels_of(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name runs by their optimizer and the callbacks that others have not, and by what differs from others.

    That is what differs in the specs of one optimizer, and the overrides that not all runs have. Of these are left out
    the seed, folders for output, and what the specs hold.

    Args:
        runs: the contents of ``run.json``.

    Example:
        >>> adam = [{"optimizers": ["Adam"], "spec": {"optimizer": {"lr": lr}}} for lr in (0.1, 0.1, 0.2)]
        >>> labels_of([*adam, {"optimizers": ["SGD"], "spec": {"optimizer": {"lr": 0.1}}}])
        ['Adam lr=0.1', 'Adam lr=0.1', 'Adam lr=0.2', 'SGD']
    """
    specs = [run.get("spec") or {} for run in runs]
    callbacks = [[*(spec.get("optim_callbacks") or {})] for spec in specs]
    shared = set.intersection(*map(set, callbacks)) if callbacks else set()
    names = [
        "+".join([*run.get("optimizers", ()), *(name for name in own if name not in shared)]) or "optimizer"
        for run, own in zip(runs, callbacks, strict=True)
    ]
    values = [_flat(spec) for spec in specs]
    labels = [f"{name}{_differing(name, own, names, values)}" for name, own in zip(names, values, strict=True)]
    return [label + _overrides_text(own, label) for label, own in zip(labels, _own_overrides(runs), strict=True)]


def _own_overrides(runs: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the overrides of each run that others have not, in alphabetical order."""
    words = [run.get("hydra", {}).get("overrides", ()) for run in runs]
    given = [{word.partition("=")[0]: word for word in (word.lstrip("+") for word in each)} for each in words]
    seeds = [f"={run.get('seed')}" for run in runs]

    def is_left_out(key: str) -> bool:
        is_seed = all(each.get(key, key + seed) == key + seed for each, seed in zip(given, seeds, strict=True))
        in_spec = OF_SPEC.fullmatch(key) and all(run.get("spec") for run in runs)
        return bool(key == "seed" or (key.endswith("seed") and is_seed) or in_spec or OF_OUTPUT.fullmatch(key))

    keys = sorted({key for each in given for key in each if len({other.get(key) for other in given}) > 1})
    keys = [key for key in keys if not is_left_out(key)]
    return [[each[key] for key in keys if key in each] for each in given]


def _overrides_text(overrides: Sequence[str], label: str) -> str:
    """Join the overrides that a label does not contain; a checksum replaces the end of a long text.

    Example:
        >>> _overrides_text(["net.width=8", "lr=0.1"], "Adam lr=0.1"), len(_overrides_text(["x" * 60] * 9, "Adam"))
        (' net.width=8', 80)
    """
    text = "".join(f" {each}" for each in overrides if each not in label.split())
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 9]}~{zlib.crc32(text.encode()):08x}"


def _differing(name: str, own: Mapping[str, Any], names: Sequence[str], values: Sequence[Mapping[str, Any]]) -> str:
    """Return the values in which a run differs from others of its name."""
    alike = [other for other_name, other in zip(names, values, strict=True) if other_name == name]
    differing = [key for key in own if key and len({json.dumps(other.get(key)) for other in alike}) > 1]
    short = {key: key.removeprefix("optimizer.").removeprefix("optim_callbacks.") for key in differing}
    return "".join(f" {short[key]}={json.dumps(own[key])}" for key in differing)


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """Return the values of nested mappings by dotted keys."""
    if not isinstance(value, Mapping) or not value:
        return {key: value}
    return {
        name: found for k, inside in value.items() for name, found in _flat(inside, f"{key}.{k}" if key else k).items()
    }

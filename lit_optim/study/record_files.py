"""Read the records that `optim_callbacks=record` has written, of one run or of a tree of runs."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict, TypeVar

from lit_optim.errors import ConfigError
from lit_optim.study.declared_types import misfit

RUN, STEPS, METRICS = "run.json", "steps.csv", "metrics.csv"
FORMAT = 1
T = TypeVar("T")


_Switch = TypedDict("_Switch", {"step": int, "callback": str, "from": str, "to": str})


class _Divergence(TypedDict):
    step: int
    reason: str


class _StepSeconds(TypedDict, total=False):
    median: float | None


class _Measured(TypedDict, total=False):
    seconds: float
    step_seconds: _StepSeconds
    peak_memory: int | None


class _Git(TypedDict):
    commit: str
    dirty: bool | None


class _Start(TypedDict, total=False):
    parameters: int | None
    batch: int | None


class _Spec(TypedDict, total=False):
    optim_callbacks: dict[str, Any]


class _Hydra(TypedDict, total=False):
    overrides: list[str]


class Run(TypedDict, total=False):
    """Declares what is read of ``run.json``, where every key may be missing."""

    format: int
    outcome: Literal["running", "finished", "stopped", "diverged", "crashed", "interrupted"]
    error: str
    spec: _Spec
    optimizers: list[str]
    seed: int
    versions: dict[str, str | None]
    hardware: dict[str, str | int | None]
    git: _Git
    hydra: _Hydra
    start: _Start
    groups: list[dict[str, str | float | None]]
    switches: list[_Switch]
    divergence: _Divergence | None
    steps: int
    state_bytes: int
    measured: _Measured


class StepRow(NamedTuple):
    """A row of ``steps.csv``; None where nothing was measured.

    Args:
        step: optimizer steps done.
        epoch: counted from 0.
        seconds: of training since its start.
        loss: mean of the losses since the row before.
        grad_norm: of the step, before clipping.
        update_norm: of the step.
        values: what the param groups used, by name: ``lr``, ``lr/head``, ``momentum/head``.
    """

    step: int
    epoch: int
    seconds: float
    loss: float | None
    grad_norm: float | None
    update_norm: float | None
    values: dict[str, float]


MEASURED = StepRow._fields[:-1]  # columns; the others are values


class MetricRow(NamedTuple):
    """A row of ``metrics.csv``: a metric that a validation has logged."""

    step: int
    epoch: int
    seconds: float
    name: str
    value: float


class RunRecord(NamedTuple):
    """A recorded run.

    Args:
        folder: that holds the files.
        run: the contents of ``run.json``.
        steps: in order.
        metrics: in order.
    """

    folder: Path
    run: dict[str, Any]
    steps: tuple[StepRow, ...]
    metrics: tuple[MetricRow, ...]


def read_record(folder: str | Path) -> RunRecord:
    """Read the record of one run; half a row at the end of a file, of a killed run, is left out.

    Args:
        folder: that holds ``run.json``.

    Raises:
        ConfigError: for a missing or damaged file, or one of a newer version.
    """
    folder = Path(folder)
    run = _read_run(folder / RUN)
    return RunRecord(folder, run, _read_rows(folder / STEPS, _step_row), _read_rows(folder / METRICS, _metric_row))


def read_records(folder: str | Path) -> tuple[RunRecord, ...]:
    """Read the records of all runs in a folder and those below it, sorted by path.

    Raises:
        ConfigError: for a folder without a record, and for damaged files: all of them at once.
    """
    found, problems = read_sound_records(folder)
    if problems:
        raise ConfigError(*problems)
    return found


def read_sound_records(folder: str | Path) -> tuple[tuple[RunRecord, ...], list[str]]:
    """Read the records in a folder and those below it that are sound, sorted by path; and say which are damaged.

    Raises:
        ConfigError: for a folder without a record.
    """
    found, problems = list[RunRecord](), list[str]()
    for file in sorted(Path(folder).rglob(RUN)):
        if (file.parent / STEPS).exists():  # else a file of the same name that another program has written
            try:
                found.append(read_record(file.parent))
            except ConfigError as error:
                problems += error.problems
    if not found and not problems:
        raise ConfigError(f"{folder}: holds no record of a run; add optim_callbacks=record to the command that trains")
    return tuple(found), problems


def _read_run(path: Path) -> dict[str, Any]:
    text = _text(path)
    try:
        run = json.loads(text)
        version = run["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(path, "is not what a record has there") from error
    if version != FORMAT:
        raise ConfigError(f"{path}: has format {version!r}, and this lit-optim reads {FORMAT}; update lit-optim")
    if wrong := misfit(run, Run):
        raise _damaged(path, wrong)
    return dict(run)


def _read_rows(path: Path, read: Callable[[Mapping[str, str]], T]) -> tuple[T, ...]:
    lines, found = _text(path).split("\n")[:-1], list[T]()  # without what follows the last end of a line
    for number, line in enumerate(lines[1:], start=2):
        try:
            columns, cells = csv.reader([lines[0], line])
            found.append(read(dict(zip(columns, cells, strict=True))))
        except (ValueError, KeyError, csv.Error) as error:
            raise _damaged(path, f"its line {number} is no row of a record: {line!r:.80}") from error
    return tuple(found)


def _step_row(cells: Mapping[str, str]) -> StepRow:
    step, epoch, seconds = (cells[name] for name in MEASURED[:3])
    loss, gradient, update = (float(cells[name]) if cells[name] else None for name in MEASURED[3:])
    values = {name: float(cell) for name, cell in cells.items() if name not in MEASURED and cell}
    return StepRow(int(step), int(epoch), float(seconds), loss, gradient, update, values)


def _metric_row(cells: Mapping[str, str]) -> MetricRow:
    step, epoch, seconds, name, value = (cells[key] for key in MetricRow._fields)
    return MetricRow(int(step), int(epoch), float(seconds), name, float(value))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: not there; name the folder of a run with optim_callbacks=record") from None
    except UnicodeDecodeError as error:
        raise _damaged(path, "is no text") from error


def _damaged(path: Path, what: str) -> ConfigError:
    return ConfigError(f"{path}: damaged, {what}; restore the file, or move the folder away")

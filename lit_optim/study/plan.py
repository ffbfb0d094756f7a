"""Declares a comparison of optimizers, and the folder that holds it.

DIR/plan.json                    what was declared
DIR/runs/adamw/trial-03/         job.json; record/ of `optim_callbacks=record`; error.txt of a run that failed
DIR/runs/adamw/seed-1/           of the final runs
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from lit_optim.errors import ConfigError
from lit_optim.study.declared_types import misfit

FORMAT = 1
PLAN, JOB, ERROR, RECORD, RUNS = "plan.json", "job.json", "error.txt", "record", "runs"
RUNNING = "running"  # in the folder of a job until its process has ended it, a test after training included
T = TypeVar("T", "ComparisonPlan", "Job")


@dataclass(frozen=True)
class Contender:
    """Holds one optimizer of a comparison.

    Args:
        name: as typed: ``adamw``, ``timm/lamb``, ``lookahead``.
        overrides: of the app, which choose it: ``optimizer=adamw``.
        space: its search space, the text of a preset's ``# search:`` field.
        source: of the space.
    """

    name: str
    overrides: tuple[str, ...]
    space: str
    source: str = ""


@dataclass(frozen=True)
class ComparisonPlan:
    """Declares a comparison, before its first run.

    Args:
        script: of the user's app.
        overrides: of every run, as typed.
        contenders: in the order in which they were typed.
        metric: the validation metric by which trials are selected, at the end of the full schedule.
        mode: ``min`` or ``max``.
        tier: quick, default or paper.
        search: grid or quasi-random.
        budget: trials of each contender, extensions included.
        studies: into how many the trials are divided.
        tuning_seed: of every trial.
        seeds: of the final runs, the same for every contender, none of them the tuning seed.
        baseline: the contender whose best values are the target.
        test_metric: of the final runs, read once; '' where they are scored by `metric`.
        test_mode: of `test_metric`; '' where it is `mode`.
        command: the words that made the plan.
        version: of lit-optim.
        config: SHA-256 of the app's own config, as its files have it; '' where an older version made the plan.
        script_hash: SHA-256 of the script's text; '' likewise.
    """

    script: str
    overrides: tuple[str, ...]
    contenders: tuple[Contender, ...]
    metric: str
    mode: str
    tier: str = "default"
    search: str = "quasi-random"
    budget: int = 15
    studies: int = 1
    tuning_seed: int = 1
    seeds: tuple[int, ...] = ()
    baseline: str = ""
    test_metric: str = ""
    command: tuple[str, ...] = ()
    version: str = ""
    config: str = ""
    format: int = FORMAT
    test_mode: str = ""
    script_hash: str = ""

    @property
    def score_metric(self) -> str:
        """The metric of the final scores."""
        return self.test_metric or self.metric

    @property
    def score_mode(self) -> str:
        """The mode of that metric, by which the final runs are ranked."""
        return self.test_mode or self.mode


@dataclass(frozen=True)
class Job:
    """Holds one run of a comparison.

    Args:
        contender: its name.
        kind: ``trial`` or ``seed``.
        number: from 0, in the order of the contender's trials or of the plan's seeds.
        seed: of the run.
        values: what is tried, by the keys of the search space; of a final run, those of the best trial.
        overrides: all of the run, as on the app's command line.
        study: the number of the study that a trial belongs to.
        extends: ``low`` or ``high`` where a trial goes on from the lowest or highest value that was tried.
    """

    contender: str
    kind: str
    number: int
    seed: int
    values: Mapping[str, float]
    overrides: tuple[str, ...] = field(default=())
    study: int = 0
    extends: str = ""

    @property
    def folder(self) -> str:
        """The folder of the run, relative to that of the comparison.

        Example:
            >>> Job("adamw", "trial", 3, seed=1, values={"lr": 0.1}).folder
            'runs/adamw/trial-03'
            >>> Job("timm/lamb", "seed", 0, seed=1, values={}).folder
            'runs/timm-lamb/seed-0'
        """
        name, digits = self.contender.replace("/", "-"), 2 if self.kind == "trial" else 1
        return f"{RUNS}/{name}/{self.kind}-{self.number:0{digits}d}"


def is_of_hydra(word: str) -> bool:
    """Return whether an override is one of Hydra's own configuration, which says how runs are started.

    Example:
        >>> is_of_hydra("hydra/launcher=joblib"), is_of_hydra("+hydra.launcher.n_jobs=2"), is_of_hydra("seed=1")
        (True, True, False)
    """
    return word.lstrip("+~").replace("/", ".").startswith("hydra.")


def comparable(name: str, value: object) -> object:
    """Return a field of a plan so that those of equal runs are equal, however they are started and written.

    Example:
        >>> comparable("overrides", ("b=2", "a=1", "hydra/launcher=joblib"))
        'a=1 b=2'
    """
    if name == "script":
        return str(Path(str(value)).resolve())
    if name == "overrides" and isinstance(value, tuple):
        return shlex.join(sorted(word for word in value if not is_of_hydra(word)))
    return value


def as_json(each: ComparisonPlan | Job) -> str:
    """Return a plan or a job as text; equal ones as equal bytes."""
    return json.dumps(asdict(each), indent=1) + "\n"


def replace_text(path: Path, text: str) -> None:
    """Write a file beside its target, and rename it: after a kill the target is the old file or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def read_plan(folder: str | Path) -> ComparisonPlan:
    """Read the plan of a comparison.

    Raises:
        ConfigError: for a folder without one, and for one that is damaged or of a newer version.
    """
    found = _read(Path(folder) / PLAN, ComparisonPlan)
    if found.format != FORMAT:
        raise ConfigError(
            f"{folder}: {PLAN} has format {found.format}, and this lit-optim reads {FORMAT}; update lit-optim"
        )
    for name, mode in (("mode", found.mode), ("test_mode", found.test_mode or found.mode)):
        if mode not in ("min", "max"):
            raise _damaged(Path(folder) / PLAN, f"its {name!r} is {mode!r}")
    return found


def read_job(folder: str | Path) -> Job:
    """Read what one run is.

    Raises:
        ConfigError: for a damaged file.
    """
    path = Path(folder) / JOB
    found = _read(path, Job)
    if not path.parent.as_posix().endswith(found.folder):
        raise _damaged(path, f"it is of {found.folder}")
    if not found.values:
        raise _damaged(path, "its 'values' are none")
    return found


def _read(path: Path, kind: type[T]) -> T:
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        if wrong := misfit(given, kind):
            raise ValueError(wrong)
        known = {each.name for each in fields(kind)}
        values: dict[str, Any] = {key: _tuples(value) for key, value in given.items() if key in known}
        if "contenders" in values:
            values["contenders"] = tuple(
                Contender(**{k: _tuples(v) for k, v in each.items()}) for each in given["contenders"]
            )
        return kind(**values)
    except FileNotFoundError:
        raise ConfigError(f"{path}: not there; `lit-optim compare` writes it") from None
    except (ValueError, TypeError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, what: str) -> ConfigError:
    return ConfigError(f"{path}: damaged ({what}); restore the file, or move the folder away")


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value

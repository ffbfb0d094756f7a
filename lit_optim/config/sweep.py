"""Defines a Hydra callback that checks every job of a sweep before the first one trains."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from lit_optim.config.progress import Progress
from lit_optim.errors import ConfigError, hydra_message

MOST_JOBS = 500  # all of which are checked; each takes Hydra some hundredths of a second to compose
MOST_LINES = 20
BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
COMPARE = "hydra_plugins.lit_optim.job_sweeper.JobSweeper"


class ValidateSweep(Callback):
    """Stops a sweep with exit code 2, before its first job, if the specs of any job are wrong.

    In the primary config: ``hydra: {callbacks: {validate_sweep: {_target_: lit_optim.ValidateSweep}}}``. Overrides of
    the command line and of ``hydra.sweeper.params`` are expanded, of an interval both ends are tried. Of a sweep of
    more than 500 jobs as many are checked as hold every value of every key, beside every combination of config groups
    where these are not too many.

    Example:
        >>> ValidateSweep().on_run_start(config=None)  # a single run validates itself
    """

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Validate the jobs; Hydra would turn an exception into a warning, so it exits."""
        if config.hydra.sweeper.get("_target_") == COMPARE:
            return  # jobs of a comparison: one that cannot run is its result
        loader = GlobalHydra.instance().config_loader()
        try:
            values, groups = sweep_values(overrides_of(config), loader)
        except HydraException:
            return  # the sweeper raises it again
        total = math.prod(map(len, values.values()))
        jobs = choose_jobs(values, groups)
        if len(jobs) < total:
            chosen = "which hold every value of every key"
            print(f"a large sweep: {len(jobs)} of its {total} jobs are checked, {chosen}", file=sys.stderr)
        progress, errors = Progress(len(jobs), "jobs of the sweep checked"), {}
        for i, job in jobs.items():
            if error := _validate_job(config, job, i, loader):
                errors[i] = error
            progress.advance()
        if errors:
            problems = {
                i: getattr(error, "problems", (hydra_message(error) or str(error),)) for i, error in errors.items()
            }
            print(report(jobs, problems), file=sys.stderr)
            raise SystemExit(ConfigError.exit_code)
        sweeper: Any = config.hydra.sweeper
        if sweeper.get("_target_") == BASIC and sweeper.get("max_batch_size") is None:
            report_composing(loader, total)


def sweep_values(overrides: list[str], loader: ConfigLoader | None = None) -> tuple[dict[str, list[str]], set[str]]:
    """Return the values of each key of a sweep, and which keys choose from a config group.

    Args:
        overrides: as on the command line.
        loader: Hydra's, which knows the groups, and what ``glob`` finds.

    Example:
        >>> sweep_values(["optimizer=adamw,sgd", "optimizer.lr=interval(1e-4,1e-2)", "seed=1"])[0]
        {'optimizer': ['adamw', 'sgd'], 'optimizer.lr': ['0.0001', '0.01'], 'seed': ['1']}
    """
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(overrides)
    values = {override.get_key_element(): _values(override) for override in parsed}  # the last one of a key holds
    names = {override.get_key_element(): override.key_or_group for override in parsed}
    return values, {key for key, name in names.items() if loader is not None and loader.get_group_options(name)}


def choose_jobs(values: Mapping[str, Sequence[str]], groups: Collection[str] = ()) -> dict[int, list[str]]:
    """Choose the jobs of a sweep to check: all, or of a large one as many as hold every value of every key.

    Args:
        values: of each key.
        groups: keys whose combinations are all held too, as a value may be right for one preset alone.

    Returns:
        The overrides of each, by its number in the order in which Hydra's sweeper runs them.

    Example:
        >>> choose_jobs({"optimizer": ["adamw", "sgd"], "seed": ["1"]})
        {0: ['optimizer=adamw', 'seed=1'], 1: ['optimizer=sgd', 'seed=1']}
    """
    sizes = [len(options) for options in values.values()]
    every = math.prod(sizes) <= MOST_JOBS
    combined = [every or key in groups for key in values]
    if _cover_size(sizes, combined) > max(MOST_JOBS, *sizes):
        combined = [False for _ in sizes]
    jobs = {}
    for picked in cover(sizes, combined):
        number = 0
        for i, size in zip(picked, sizes, strict=True):
            number = number * size + i
        jobs[number] = [f"{key}={each[i]}" for (key, each), i in zip(values.items(), picked, strict=True)]
    return jobs


def cover(sizes: Sequence[int], combined: Sequence[bool]) -> Iterator[tuple[int, ...]]:
    """Yield combinations of indices in which every index of every place occurs.

    Args:
        sizes: number of indices of each place.
        combined: the places whose combinations all occur.

    Example:
        >>> list(cover([2, 3], [False, False])), len(list(cover([2, 3], [True, False])))
        ([(0, 0), (1, 1), (0, 2)], 6)
    """
    longest = max((size for size, all_of in zip(sizes, combined, strict=True) if not all_of), default=1)
    fixed = (range(size) if all_of else (None,) for size, all_of in zip(sizes, combined, strict=True))
    for place in itertools.product(*fixed):
        for i in range(longest):
            yield tuple(i % size if at is None else at for at, size in zip(place, sizes, strict=True))


def _cover_size(sizes: Sequence[int], combined: Sequence[bool]) -> int:
    pairs = list(zip(sizes, combined, strict=True))
    return math.prod(n for n, all_of in pairs if all_of) * max((n for n, all_of in pairs if not all_of), default=1)


def report_composing(loader: Any, total: int) -> None:
    """Report how far Hydra's sweeper is, which composes all jobs in silence before it runs the first.

    Args:
        loader: Hydra's, whose method is replaced until it has composed them.
        total: number of jobs.
    """
    progress, compose = Progress(total, "jobs of the sweep composed"), loader.load_sweep_config

    def load_sweep_config(*args: Any, **kwargs: Any) -> Any:
        composed = compose(*args, **kwargs)
        progress.advance()
        if progress.done >= total:
            vars(loader).pop("load_sweep_config", None)
        return composed

    loader.load_sweep_config = load_sweep_config


def report(jobs: Mapping[int, list[str]], problems: Mapping[int, tuple[str, ...]]) -> str:
    """List the problems by job.

    Args:
        jobs: the overrides of each job that was checked, by its number.
        problems: by the number of the job.

    Example:
        >>> jobs = {0: ["optimizer=sgd"], 1: ["optimizer.lr=abc"]}
        >>> print(report(jobs, {1: ("optimizer.lr='abc': AdamW expects float",)}))
        1 of 2 jobs of this sweep cannot run; none was started:
          - job 1 (optimizer.lr=abc): optimizer.lr='abc': AdamW expects float
    """
    found: dict[str, list[int]] = {}
    for i, texts in problems.items():
        for text in texts:
            found.setdefault(text, []).append(i)
    common = set.intersection(*map(set, jobs.values())) if len(jobs) > 1 else set()
    lines = []
    for text, numbers in found.items():
        own = " ".join(word for word in jobs[numbers[0]] if word not in common)
        lines.append(f"job {numbers[0]} ({own}){f' and {len(numbers) - 1} more' * (len(numbers) > 1)}: {text}")
    more = [f"  ... and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    head = f"{len(problems)} of {len(jobs)} jobs of this sweep cannot run; none was started:"
    return "\n".join([head, *(f"  - {line}" for line in lines[:MOST_LINES]), *more])


def overrides_of(config: DictConfig) -> list[str]:
    """Return the overrides of a sweep: those of the sweeper's configuration, then those of the command line."""
    hydra: Any = OmegaConf.to_container(config.hydra, resolve=False)  # an override may hold an interpolation
    params, task = hydra.get("sweeper", {}).get("params") or {}, hydra["overrides"]["task"]
    return [*(f"{key}={value}" for key, value in params.items()), *task]


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    if override.is_discrete_sweep():
        return list(override.sweep_string_iterator())
    sweep: Any = override.value()
    return [str(sweep.start), str(sweep.end)]


def _validate_job(config: DictConfig, job: list[str], number: int, loader: ConfigLoader) -> Exception | None:
    """Validate one job, and return its error."""
    from lit_optim.config.validate import validate

    outer = HydraConfig.instance().cfg
    try:
        composed = loader.load_sweep_config(config, job)
        with open_dict(composed):  # specs may interpolate these, and only a launcher sets them
            composed.hydra.job.num, composed.hydra.job.id = number, str(number)
            composed.hydra.runtime.output_dir = str(Path(str(config.hydra.sweep.dir)) / str(number))
        HydraConfig.instance().set_config(composed)
        validate(composed)
    except (ValueError, HydraException, OmegaConfBaseException) as error:
        return error
    finally:
        HydraConfig.instance().cfg = outer
    return None
